"""Hostile answers: wrong or abstained, quickly, in bounded memory, with nothing evaluated and the worker alive."""

import os
import resource
import subprocess
import sys
import threading
import time

import pytest

from mmupt.answers import canonical_key, equal, grade
from mmupt.answers.latex import latex_key, worker_pids
from mmupt.voting import vote

N = 10_000
HOSTILE = {
    "a tower of powers": "9^9^9^9",
    "a tower in braces": "9^{9^{9^{9^{9}}}}",
    "a tower in python": "9**9**9**9",
    "nested fractions": "\\frac{" * N + "1" + "}{2}" * N,
    "unclosed fractions": "\\frac{1}{" * N,
    "nested braces": "{" * N + "1" + "}" * N,
    "nested brackets": "[1," * 60 + "2]" * 60,
    "nested roots": "\\sqrt{" * N,
    "megabytes of dollars": "$" * 3_000_000,
    "NUL and surrogates": "\x00\ud800\udfff 5",
    "python": "__import__('os').system('echo 5')",
    "a lambda": "(lambda: 5)()",
    "sympy names": "factorial(10**9) + Integral(x, (x, 0, 5))",
    "sympy names in LaTeX": "\\operatorname{factorial}(10^{9})",
    "a sum of variables": "+".join(f"x_{{{n}}}" for n in range(300)),
    "a sum of numbers": "+".join(["0"] * 300),
    "a factorial": "1000000000!",
    "factorials": "3" + "!" * 300,
    "a binomial": "\\binom{10^9}{10^8}",
    "a huge exponent": "1e999999999",
    "a power beyond a float": "110^{211} + \\sqrt{2}",
    "python's import in LaTeX": "\\text{__import__('os').system('echo 5')}",
    "a class walk": "().__class__.__bases__[0].__subclasses__()",
    "sympy functions by name": "Sum(Symbol('x'), (Symbol('x'), 1, 10**9)).doit()",
    "a sum of roots": "+".join(f"\\sqrt{{{n}}}" for n in range(300)),
    "surrogates in a box": "5\ud83d",
    "many digits": "1" * 200_000,
    "many boxes": "\\boxed{1}" * 20_000,
    "many open boxes": "\\boxed{" * 20_000,
    "many phrases": "the answer is " * N,
    "many signs": "-" * 300 + "1",
    "many plus-minus": "1" + "\\pm 1" * 60,
    "many ratios": "1:" * 150 + "1",
    "a long list": ",".join(["1"] * N),
    "an endless sum": "\\sum_{n=1}^{10^{12}} \\frac{n!}{n^n}",
    "an integral without an end": "\\int_0^{9^{9^9}} x^x dx",
}


@pytest.fixture(scope="module", autouse=True)
def _started():
    assert latex_key("\\int_0^1 x dx") == "number:1/2"


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_answer_is_wrong_or_abstains_within_a_second(name):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for response in (f"\\boxed{{{HOSTILE[name]}}}", HOSTILE[name], f"The answer is {HOSTILE[name]}"):
        start = time.process_time(), time.perf_counter()
        verdict = grade(response, "5")
        assert time.process_time() - start[0] < 1.0
        assert time.perf_counter() - start[1] < 3.0  # the worker's share, on a machine that may be busy
        assert not verdict.correct
        assert verdict.answer is None or len(verdict.answer) <= 1000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 * 1024


def test_the_worker_survives_what_it_is_asked():
    (pid,) = worker_pids()
    for at in range(3):
        assert latex_key(f"\\sum_{{n=1}}^{{10^{{12}}}} \\frac{{n!}}{{n^{{n+{at}}}}}") is None
        assert latex_key(f"\\sum_{{n=1}}^{{{at + 3}}} n") == f"number:{(at + 3) * (at + 4) // 2}"
    assert worker_pids() == [pid]
    os.kill(pid, 0)


def test_a_worker_that_was_killed_is_replaced():
    (pid,) = worker_pids()
    os.kill(pid, 9)
    assert latex_key("\\sum_{n=1}^{11} n") == "number:66"
    assert worker_pids() != [pid]


def test_threads_share_the_workers():
    found = {}

    def ask(at):
        found[at] = latex_key(f"\\int_0^{{{at}}} 2x dx")

    threads = [threading.Thread(target=ask, args=(at,)) for at in range(2, 10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {at: f"number:{at * at}" for at in range(2, 10)}
    assert len(worker_pids()) <= 2


def test_equal_latex_has_equal_keys():
    assert equal("\\int_0^1 x dx", "\\frac{1}{2}")
    assert equal("\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}", "\\begin{pmatrix}1&\\frac{4}{2}\\\\3&4\\end{pmatrix}")
    assert not equal("\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}", "\\begin{pmatrix}1&3\\\\2&4\\end{pmatrix}")
    assert vote(["\\sum_{n=1}^{4} n", "10", "\\int_0^1 x dx"]).classes == (0, 0, 1)


def test_plain_answers_start_no_worker_and_import_nothing_heavy():
    code = (
        "import sys\n"
        "from mmupt.answers import grade\n"
        "from mmupt.answers.latex import worker_pids\n"
        "from mmupt.rewards import names\n"
        "from mmupt.voting import vote\n"
        "import mmupt.metrics\n"
        "assert grade(r'\\boxed{12}', '12').correct and not grade(r'\\boxed{9^9^9^9}', '12').correct\n"
        "assert vote(['1', '2', r'\\frac{1}{2}', 'B', '5\\u221a2']).tie\n"
        "heavy = {'sympy', 'math_verify', 'numpy', 'torch', 'latex2sympy2_extended'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "assert worker_pids() == []\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_workers_end_with_their_process():
    code = (
        "from mmupt.answers.latex import latex_key, worker_pids\n"
        "assert latex_key(r'\\int_0^1 x dx') == 'number:1/2'\n"
        "print(worker_pids()[0])\n"
    )
    pid = int(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_keys_do_not_depend_on_the_process():
    texts = ["5\\sqrt{2}", "(x+1)^2", "y = 5 - 2x", "{3, 2}", "sin(x)", "12 cm"]
    code = f"from mmupt.answers import canonical_key\nprint([canonical_key(text) for text in {texts!r}])"
    environment = {**os.environ, "PYTHONHASHSEED": "77"}
    printed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environment)
    assert printed.stdout.strip() == str([canonical_key(text) for text in texts])


def test_a_fork_starts_workers_of_its_own():
    before = worker_pids()
    child = os.fork()
    if child == 0:
        mine = latex_key("\\sum_{n=1}^{12} n") == "number:78" and not set(before) & set(worker_pids())
        for worker in worker_pids():
            os.kill(worker, 9)
        os._exit(0 if mine else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert latex_key("\\sum_{n=1}^{13} n") == "number:91"
    assert set(worker_pids()) == set(before)
