"""Heads of requirement lines, against packaging's own grammar."""

from __future__ import annotations

import pytest
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from venvkit.spec.language.pep508 import parse_head, split_marker


@pytest.mark.parametrize(
    "head",
    [
        "a", "a>1,", "a>=1,<2,", "a (>=1)", "a(>=1,<2)", "a (>=1", "a >=1)", "a ()", "a[x]>1", "a[x,Y_z] (>1)",
        "a ==1.*",
        "a===1", "a>=", "a >=1 <2", "a>=1.0.dev1+local", "a @ https://files.example/a.whl", "a!=1.*,>=2", "a>=1,,<2",
        "a>=v1", "a >1, <2", "-a", "a-", "a_", "a.>1", "a>=1 # why", "a>=1 <=2", "a==1.0-1", "a<=1.*", "a==1!2.0",
        "a==1.*.2", "A.b_C>1", "a~=1", "a>=1.0_1", "a,b", "", ">1", "a>1\tand", "a (>1 , <2 ,)", "a>1 ,<2", "a> 1",
    ],
)  # fmt: skip
def test_a_head_means_what_packaging_says(head: str) -> None:
    try:
        expected = Requirement(head)
    except InvalidRequirement:
        with pytest.raises(InvalidRequirement):
            parse_head(head)
        return
    found = parse_head(head)
    assert found.name == canonicalize_name(expected.name)
    assert found.extras == set(map(canonicalize_name, expected.extras))
    assert (found.specifier, found.url) == (expected.specifier, expected.url)


@pytest.mark.parametrize(
    ("line", "head", "marker"),
    [
        ("a>1;os_name=='nt'", "a>1", "os_name=='nt'"),
        ("a>1", "a>1", None),
        ("a>1 ;", "a>1", ""),
        ("a @ https://x.example/a;b ; os_name", "a @ https://x.example/a;b", " os_name"),
        ("https://x.example/a;b", "https://x.example/a;b", None),
    ],
)
def test_where_the_marker_begins(line: str, head: str, marker: str | None) -> None:
    assert split_marker(line) == (head, marker)
