"""Templates at load: names that are known, whatever stands around them, and never a long wait."""

from time import process_time

import pytest

from minisched.config.faults import Reading, Wrong
from minisched.config.notify_fields import TEMPLATE_VARIABLES
from minisched.config.texts import Template


@pytest.mark.parametrize(
    "piece", ["{{", "{{ ", "{", " ", " }", "{{}", "{{ \n a", "a "], ids=lambda piece: piece.replace("\n", "n")
)
def test_no_template_takes_long_to_read(piece):
    template = Template(TEMPLATE_VARIABLES)
    for size in (1024, 65_536):  # the shorter one first: it fails within seconds what the longer one would never end
        text = ("{{" + piece * size)[:size]
        began = process_time()
        assert template.read(text, Reading(), None) == text
        assert process_time() - began < 1.0


def test_names_in_a_template_are_found_wherever_they_stand():
    template = Template(TEMPLATE_VARIABLES)
    for text in ("{{ task_id }}{{task_name}} {{\n\texit_code\u3000}}", "{{ task_id", "}} {{ {{", "{{ task_id }} {{"):
        assert template.read(text, Reading(), None) == text
    for text in ("{{ task_id }}{{ task_idd }}", "{{}}", "{{ task_id {{ exit_code }}", "{{{ task_id }}}", "{{ a\nb }}"):
        with pytest.raises(Wrong):
            template.read(text, Reading(), None)
