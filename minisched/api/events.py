"""Server-Sent Events."""


class Listeners:
    pass
