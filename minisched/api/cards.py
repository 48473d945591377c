"""Task cards."""


class CardCache:
    pass
