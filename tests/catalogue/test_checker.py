"""The independent checker itself: it must find what is broken, and nothing else."""

from __future__ import annotations

import pytest

from tests.catalogue.checker import check, normal
from tests.spec.conftest import LINUX

HOST = {
    "server": ("4.1", ("click<8.2", "http[fast]>=1", "lost>=9")),
    "click": ("8.1.8", ()),
    "http": ("1.5", ("speedup<2; extra == 'fast'", "colour<2; extra == 'cli'")),
    "speedup": ("1.0", ()),
    "colour": ("1.0", ()),
    "lost": ("1.0", ()),
}


@pytest.mark.parametrize(
    ("installed", "roots", "model", "host"),
    [
        ({}, ["click"], set(), set()),
        ({}, ["click>=8.2"], {("spec", "click>=8.2", "8.1.8")}, set()),
        ({}, ["absent"], {("spec", "absent", "none")}, set()),
        ({"click": ("8.2", ())}, ["click>=8.2"], set(), {("server==4.1", "click<8.2", "8.2")}),
        ({"click": ("8.2", ()), "server": ("4.2", ("click<9",))}, ["click>=8.2"], set(), set()),
        ({"tool": ("1", ("click>=8.2",))}, ["tool"], {("tool==1", "click>=8.2", "8.1.8")}, set()),
        ({"tool": ("1", ("click>=8.2; extra == 'x'",))}, ["tool"], set(), set()),
        ({"tool": ("1", ("click>=8.2; extra == 'x'",))}, ["tool[x]"], {
            ("tool==1", "click>=8.2; extra == 'x'", "8.1.8")}, set()),
        ({"tool": ("1", ("click>=8.2; sys_platform == 'darwin'",))}, ["tool"], set(), set()),
        ({"tool": ("1", ("tool2",)), "tool2": ("1", ("tool", "click>9"))}, ["tool"], {
            ("tool2==1", "click>9", "8.1.8")}, set()),
        ({"speedup": ("2.0", ())}, ["speedup"], set(), {("http==1.5", "speedup<2; extra == 'fast'", "2.0")}),
        ({"colour": ("2.0", ())}, ["colour"], set(), set()),
        ({"lost": ("2.0", ())}, ["lost"], set(), set()),
        ({"click": ("8.1.0rc1", ())}, ["click>=8"], set(), set()),
        ({"click": ("8.1.8+local", ())}, ["click==8.1.8"], set(), set()),
    ],
    ids=[
        "satisfied by the host", "too old on the host", "not there", "a shadow breaks the server",
        "the server is replaced too", "two steps from the model", "an extra that nobody asks for",
        "an extra that is asked for", "a marker of another system", "a cycle", "an extra that the host asks for",
        "an extra that the host does not ask for", "broken on the host before", "a pre-release that is there",
        "a local build",
    ],
)  # fmt: skip
def test_finds_what_is_broken(installed, roots, model, host):
    report = check(HOST, installed, [("spec", line) for line in roots], LINUX)
    assert report.model == model
    assert report.host == host


def test_overrides_and_excludes_bend_what_the_model_asks():
    roots = [("spec", "tool")]
    installed = {"tool": ("1", ("click>=8.2", "absent"))}
    report = check(HOST, installed, roots, LINUX, overrides=["click>=8"], excludes=["Absent"])
    assert report.model == set()


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (("a==1", "b >=2 ; extra=='x'"), ("A==1", 'b>=2; extra == "x"'), True),
        (("a==1", "b>=2"), ("a==2", "b>=2"), False),
        (("a==1", "b>=2"), ("a==1", "b>=3"), False),
    ],
)
def test_two_spellings_of_a_violation_compare_equal(one, other, equal):
    assert (normal(*one) == normal(*other)) is equal
