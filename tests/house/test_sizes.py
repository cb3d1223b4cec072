"""Files and functions stay of a size that is pleasant to read."""

from statistics import median, quantiles

from tests.house.source import modules

LONGEST_FILE = 300
LONGEST_FUNCTION = 70


def test_no_file_is_longer_than_300_lines():
    assert [module.name for module in modules().values() if module.lines > LONGEST_FILE] == []


def test_the_median_file_has_at_most_120_lines():
    assert median(module.lines for module in modules().values()) <= 120


def test_nine_functions_in_ten_have_at_most_35_lines():
    lengths = [length for module in modules().values() for _, length in module.functions]
    assert quantiles(lengths, n=10)[-1] <= 35


def test_no_function_is_a_page_and_a_half_long():
    long = [
        f"{module.name}.{name}: {length}"
        for module in modules().values()
        for name, length in module.functions
        if length > LONGEST_FUNCTION
    ]
    assert long == []


def test_every_module_says_what_it_is_for():
    def opens_with_docstring(text: str) -> bool:
        return text.startswith('"""')

    silent = [module.name for module in modules().values() if not opens_with_docstring(module.path.read_text())]
    assert silent == []
