"""The eleven special cases that a model server keeps in its worker, each as data here or made unnecessary.

What is data is read from the shipped `specs/`; what the planner settles by itself is shown on the smallest host and
index that ask for it; what only a real environment can show is built from wheels made on the spot.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from tests.conftest import WriteSpec
from tests.hosts import Host
from tests.plan.fake import ENVIRONMENT, Table, TableResolver, host_of, member
from tests.spec.conftest import World
from tests.wheelhouse import Wheelhouse
from venvkit import ensure_env, plan_env
from venvkit.errors import ProofError, SpecError
from venvkit.plan.families import parse_families
from venvkit.plan.planner import make_plan
from venvkit.plan.problem import Problem, Root
from venvkit.plan.values import Plan
from venvkit.plan.view import View
from venvkit.spec.data import data_dir
from venvkit.spec.engines import load_engines
from venvkit.spec.model import ModelSpec
from venvkit.spec.request import Choice, Request, build_request

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ENGINES = data_dir() / "engines.toml"
FAMILIES = parse_families(tomllib.loads((data_dir() / "abi.toml").read_text(encoding="utf-8")), origin="abi.toml")
NO_GPU = World()
LIBRARY_PATH = "DYLD_LIBRARY_PATH" if sys.platform == "darwin" else "LD_LIBRARY_PATH"


def request(
    *packages: str, engine: str | None = None, model: str = "m", on: World = NO_GPU, host: View | None = None
) -> Request:
    """Build a request with the shipped engine data."""
    return build_request(
        ModelSpec(model, packages),
        Choice(engine=engine),
        engines=load_engines([ENGINES]),
        context=on.context(),
        host_versions={name: item.version for name, item in (host or {}).items()},
        pip=None,
    )


def asked(made: Request) -> list[str]:
    return [str(item) for item in made.requirements]


def decide(made: Request, table: Table, host: View) -> Plan:
    """Plan a request on an index and a host in memory, with the shipped rules on binary interfaces."""
    levers = made.levers
    roots = (Root(item.name, str(item), item.origin, wish=item.wish) for item in made.requirements)
    problem = Problem(
        tuple(roots),
        host,
        ENVIRONMENT,
        constraints=levers.constraints,
        overrides=levers.overrides,
        excludes=levers.excludes,
        no_inherit=frozenset(map(canonicalize_name, levers.no_inherit)),
        families=FAMILIES,
    )
    return make_plan(problem, TableResolver(table, dict(host)))


def installs(made: Plan) -> dict[str, str]:
    return {str(item.name): item.version for item in made.install}


def flat_index(path: Path, wheels: Iterable[Path]) -> str:
    """Write a simple index of files, one page per project, and return its address."""
    for wheel in wheels:
        page = path / wheel.name.split("-")[0].replace("_", "-") / "index.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        with page.open("a", encoding="utf-8") as out:
            out.write(f'<a href="{wheel.as_uri()}">{wheel.name}</a>\n')
    return path.as_uri()


def shipped_with(path: Path, *replaced: tuple[str, str]) -> Path:
    """Write the shipped engine data with addresses of this machine in place of public ones."""
    text = ENGINES.read_text(encoding="utf-8")
    for public, local in replaced:
        assert f'"{public}"' in text
        text = text.replace(f'"{public}"', f'"{local}"')
    path.write_text(text, encoding="utf-8")
    return path


# -- 1: torchvision, torchaudio and torchcodec go with torch -----------------------------------------------------

TORCHCODEC = (
    "0.0.3", "0.1.0", "0.2.1", "0.3.0", "0.5.0", "0.6.0", "0.7.0", "0.8.0", "0.9.1", "0.10.0", "0.11.0", "0.12.0",
    "0.16.0", "0.17.0",
)  # fmt: skip


@pytest.mark.parametrize(
    ("torch", "fitting"),
    [
        ("2.4.1", "==0.0.3"), ("2.5.1", "==0.1.*"), ("2.6.0", "==0.2.*"), ("2.7.1", ">=0.3,<0.6"),
        ("2.8.0", ">=0.6,<0.8"), ("2.9.1", ">=0.8,<0.10"), ("2.10.0", "==0.10.*"), ("2.11.0", ">=0.11,<0.17"),
        ("2.12.0", ">=0.12,<0.17"), ("2.13.0+cpu", ">=0.12,<0.17"),
    ],
)  # fmt: skip
def test_case_1_torchcodec_fits_the_torch_that_stays(torch: str, fitting: str) -> None:
    table = {"torchcodec": dict.fromkeys(TORCHCODEC, ()), "torch": {"2.15.0": ()}}
    made = decide(request("torchcodec", "torch"), table, host_of(member("torch", torch)))
    assert installs(made) == {"torchcodec": max(filter(SpecifierSet(fitting).contains, TORCHCODEC), key=_numbers)}
    assert made.broken == ()


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def test_case_1_what_goes_with_torch_moves_with_it() -> None:
    host = host_of(
        member("torch", "2.10.0"),
        member("torchvision", "0.25.0", "torch==2.10.0"),
        member("torchaudio", "2.10.0", "torch==2.10.0"),
        member("torchcodec", "0.10.0"),
    )
    table = {
        "torch": {"2.13.0": ()},
        "torchvision": {"0.25.0": ("torch==2.10.0",), "0.28.0": ("torch==2.13.0",)},
        "torchaudio": {"2.10.0": ("torch==2.10.0",), "2.13.0": ("torch==2.13.0",)},
        "torchcodec": dict.fromkeys(TORCHCODEC, ()),
    }
    made = decide(request("torch>=2.13"), table, host)
    assert installs(made) == {
        "torch": "2.13.0", "torchaudio": "2.13.0", "torchvision": "0.28.0", "torchcodec": "0.16.0"
    }  # fmt: skip
    assert [item.name for item in made.repaired] == ["torchaudio", "torchcodec", "torchvision"]
    assert made.broken == ()


def test_case_1_companions_fit_the_torch_that_is_wished_for() -> None:
    host = host_of(member("torch", "2.10.0+cpu"))
    table = {
        "torch": {"2.13.0": ()},
        "torchvision": {"0.25.0": ("torch==2.10.0",), "0.28.0": ("torch==2.13.0",)},
        "torchaudio": {"2.10.0": ("torch==2.10.0",), "2.13.0": ("torch==2.13.0",)},
    }
    made = decide(request("#system_torch#", "torchvision", "torchaudio", host=host), table, host)
    assert installs(made) == {"torchaudio": "2.10.0", "torchvision": "0.25.0"}


# -- 2: numpy and what is compiled against it ---------------------------------------------------------------------

SCIENCE = host_of(
    member("numpy", "1.26.4", compiled=True),
    member("scipy", "1.11.0", "numpy>=1.21", compiled=True),
    member("scikit-learn", "1.3.0", "numpy>=1.17", "scipy>=1.5", compiled=True),
    member("pandas", "2.1.0", "numpy>=1.22", compiled=True),
)
SCIENCE_INDEX: Table = {
    "numpy": {"2.4.0": ()},
    "scipy": {"1.11.0": ("numpy>=1.21",), "1.17.0": ("numpy>=1.26",)},
    "scikit-learn": {"1.3.0": ("numpy>=1.17", "scipy>=1.5"), "1.8.0": ("numpy>=1.24", "scipy>=1.10")},
    "pandas": {"2.1.0": ("numpy>=1.22",), "3.0.0": ("numpy>=1.26",)},
    "sentence-transformers": {"5.2.0": ("numpy", "scipy", "scikit-learn", "transformers")},
    "transformers": {"4.57.1": ("numpy>=1.17",)},
    "accelerate": {"1.12.0": ("numpy>=1.17",)},
    "peft": {"0.18.0": ("numpy>=1.17",)},
    "einops": {"0.8.0": ()},
    "fresh": {"1.0": ("numpy>=2",)},
}


def test_case_2_no_pins_are_needed_for_sentence_transformers() -> None:
    made = request("#sentence_transformers_dependencies#", engine="sentence_transformers")
    names = {item.name for item in made.requirements}
    assert "sentence-transformers" in names
    assert not names & set(SCIENCE)
    plan = decide(made, SCIENCE_INDEX, SCIENCE)
    assert not installs(plan).keys() & set(SCIENCE)
    assert {item.name for item in plan.inherit} == {"numpy", "scipy", "scikit-learn"}


def test_case_2_what_is_compiled_against_numpy_crosses_its_major_version_together() -> None:
    made = request("#sentence_transformers_dependencies#", "fresh", engine="sentence_transformers")
    plan = decide(made, SCIENCE_INDEX, SCIENCE)
    crossed = {"numpy": "2.4.0", "scipy": "1.17.0", "scikit-learn": "1.8.0", "pandas": "3.0.0"}
    assert {name: version for name, version in installs(plan).items() if name in crossed} == crossed
    assert [item.name for item in plan.repaired] == ["pandas"]
    assert plan.broken == ()


# -- 3: an inherited distribution whose own requirement the host does not satisfy ----------------------------------


def test_case_3_the_walk_goes_through_what_is_inherited() -> None:
    host = host_of(member("sglang", "0.5.6", "transformers==4.57.1"), member("transformers", "4.50.0"))
    table = {"transformers": {"4.57.1": (), "5.0.0": ()}}
    made = decide(request("sglang>=0.5.6"), table, host)
    assert installs(made) == {"transformers": "4.57.1"}
    assert [item.name for item in made.inherit] == ["sglang"]
    assert made.install[0].reason[-1] == "sglang==0.5.6 requires transformers==4.57.1"
    assert made.broken == ()


# -- 4: what would break under an inherited numba or cudf ----------------------------------------------------------


def test_case_4_the_hosts_bounds_hold_numpy_and_pandas() -> None:
    host = host_of(
        member("numpy", "2.1.0", compiled=True),
        member("pandas", "2.2.0", "numpy>=1.26", compiled=True),
        member("numba", "0.61.0", "numpy<2.3", compiled=True),
        member("cudf", "25.2.0", "pandas<3", compiled=True),
    )
    table = {
        "engine": {"1.0": ("numpy>=2.2", "pandas>=2.3")},
        "numpy": {"2.2.6": (), "2.4.0": ()},
        "pandas": {"2.3.3": ("numpy>=1.26",), "3.0.0": ("numpy>=1.26",)},
        "numba": {"0.63.0": ("numpy<2.5",)},
    }
    made = decide(request("engine"), table, host)
    assert installs(made) == {"engine": "1.0", "numpy": "2.2.6", "pandas": "2.3.3"}
    assert {(item.distribution, item.requirement) for item in made.held} >= {
        ("numba==0.61.0", "numpy<2.3"),
        ("cudf==25.2.0", "pandas<3"),
    }
    assert made.broken == ()


# -- 5 and 6: two distributions that own the same files ------------------------------------------------------------


def test_case_5_sglang_kernel_excludes_the_name_it_had() -> None:
    table = {
        "sglang": {"0.5.9": ("sgl-kernel==0.3.21", "torch")},
        "sgl-kernel": {"0.3.21": ()},
        "sglang-kernel": {"0.4.0": ()},
    }
    host = host_of(member("torch", "2.10.0"))
    both = request("sglang", "sglang-kernel>=0.4", "sgl-kernel")
    assert asked(both) == ["sglang", "sglang-kernel>=0.4"]
    assert installs(decide(both, table, host)) == {"sglang": "0.5.9", "sglang-kernel": "0.4.0"}
    launched = request("#sglang_dependencies#", "sglang-kernel", engine="sglang")
    assert {"sglang-kernel"} == {item.name for item in launched.requirements if "kernel" in item.name}
    assert installs(decide(request("sglang"), table, host)) == {"sglang": "0.5.9", "sgl-kernel": "0.3.21"}


def test_case_6_deepdoc_has_one_onnxruntime() -> None:
    table = {
        "deepdoc-lib": {"0.2.0": ("onnxruntime", "onnxruntime-gpu ; extra == 'gpu'")},
        "onnxruntime": {"1.23.0": ()},
        "onnxruntime-gpu": {"1.23.0": ()},
    }
    on_cuda = decide(request("deepdoc-lib[gpu]", on=World().gpu()), table, {})
    assert installs(on_cuda) == {"deepdoc-lib": "0.2.0", "onnxruntime-gpu": "1.23.0"}
    assert on_cuda.broken == ()
    plain = request("deepdoc-lib", on=World().gpu())
    assert (asked(plain), plain.levers.excludes) == (["deepdoc-lib"], ())
    assert request("deepdoc-lib[gpu]").levers.excludes == ()


# -- 7: one name and version, two builds ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cuda", "line"), [(None, None), ("12.4", None), ("12.8", "cu128"), ("12.9", "cu128"), ("13.0", "cu132")]
)
def test_case_7_the_cuda_line_decides_where_xllamacpp_comes_from(cuda: str | None, line: str | None) -> None:
    made = request("#llama_cpp_dependencies#", engine="llama.cpp", on=World().gpu(cuda) if cuda else NO_GPU)
    indexes = {name: url.rpartition("/")[2] for name, url in made.levers.sources}
    assert indexes == ({"xllamacpp": line} if line else {})
    assert made.levers.no_inherit == (("xllamacpp",) if line else ())


def test_case_7_the_cuda_build_comes_from_its_own_index_and_not_from_the_host(
    home: Path, host: Host, wheelhouse: Wheelhouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cuda = Wheelhouse(tmp_path / "cuda")
    for house, build in ((wheelhouse, "cpu"), (cuda, "cuda")):
        house.add("xllamacpp", "0.2.6", files={"xllamacpp.py": f"build = {build!r}\n"})
    host.install("xllamacpp")
    monkeypatch.setenv("UV_DEFAULT_INDEX", flat_index(tmp_path / "default-index", wheelhouse.made))
    local = flat_index(tmp_path / "cuda-index", cuda.made)
    data = shipped_with(tmp_path / "engines.toml", ("https://xorbitsai.github.io/xllamacpp/whl/cu132", local))
    monkeypatch.setenv("VENVKIT_ENGINES", str(data))
    spec = tmp_path / "m.json"
    spec.write_text('{"model_name": "m", "virtualenv": {"packages": ["#llama_cpp_dependencies#"]}}', encoding="utf-8")

    def build_of(accelerator: str) -> str:
        env = ensure_env(spec, engine="llama.cpp", host_python=host.python, accelerator=accelerator)
        done = env.run(["python", "-c", "import xllamacpp; print(xllamacpp.build)"], capture=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    assert build_of("cuda=13.0,arch=sm_90") == "cuda"
    assert build_of("none") == "cpu"
    assert build_of("cuda=12.4,arch=sm_80") == "cpu"


def test_case_7_a_caller_may_say_the_same(
    home: Path, host: Host, wheelhouse: Wheelhouse, tmp_path: Path, write_spec: WriteSpec
) -> None:
    cuda = Wheelhouse(tmp_path / "cuda")
    for house, build in ((wheelhouse, "cpu"), (cuda, "cuda")):
        house.add("xllamacpp", "0.2.6", files={"xllamacpp.py": f"build = {build!r}\n"})
    wheelhouse.add("xllamacpp", "0.3.0", files={"xllamacpp.py": "build = 'cpu'\n"})
    host.install("xllamacpp==0.2.6")
    spec = write_spec("m", ["xllamacpp>=0.2.6"])
    sources = {"xllamacpp": flat_index(tmp_path / "cuda-index", cuda.made)}
    stays = plan_env(spec, host_python=host.python, sources=sources).plan
    assert installs(stays) == {}
    env = ensure_env(spec, host_python=host.python, sources=sources, no_inherit="xllamacpp")
    done = env.run(["python", "-c", "import xllamacpp; print(xllamacpp.build)"], capture=True)
    assert done.stdout.split() == ["cuda"]


# -- 8: a pin that is wrong on one GPU family ----------------------------------------------------------------------


def test_case_8_flashinfer_is_overridden_on_one_gpu_family_alone() -> None:
    def overrides(model: str, arch: str, vllm: str = "vllm==0.21.0") -> tuple[str, ...]:
        on = World().gpu("13.0", arch)
        return request("#vllm_dependencies#", vllm, engine="vllm", model=model, on=on).levers.overrides

    expected = ("flashinfer-python==0.6.11.post3", "flashinfer-cubin==0.6.11.post3")
    assert overrides("qwen3.5", "sm_120") == expected
    assert overrides("qwen3.5", "sm_90") == ()
    assert overrides("qwen3.5", "sm_120", "vllm==0.28.0") == ()
    assert overrides("other", "sm_120") == ()


def test_case_8_the_override_wins_against_vllms_own_pins(
    home: Path, host: Host, wheelhouse: Wheelhouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pins = ["flashinfer-python==0.6.8.post1", "flashinfer-cubin==0.6.8.post1"]
    wheelhouse.add("vllm", "0.21.0", requires=pins)
    for name in ("flashinfer-python", "flashinfer-cubin"):
        for version in ("0.6.8.post1", "0.6.11.post3"):
            wheelhouse.add(name, version)
    built = Wheelhouse(tmp_path / "built")
    built.add("flashinfer-jit-cache", "0.6.11.post3+cu130")
    monkeypatch.setenv("UV_DEFAULT_INDEX", flat_index(tmp_path / "default-index", wheelhouse.made))
    local = flat_index(tmp_path / "flashinfer-index", built.made)
    data = shipped_with(tmp_path / "engines.toml", ("https://flashinfer.ai/whl/cu130", local))
    monkeypatch.setenv("VENVKIT_ENGINES", str(data))
    spec = tmp_path / "m.json"
    # An extra index of its own: vllm's public ones are then left out.
    spec.write_text(
        f'{{"model_name": "qwen3.5", "virtualenv": {{"packages": ["#vllm_dependencies#", "vllm==0.21.0"],'
        f' "extra_index_url": "{(tmp_path / "default-index").as_uri()}"}}}}',
        encoding="utf-8",
    )

    def plan(arch: str) -> dict[str, str]:
        accelerator = f"cuda=13.0,arch={arch}"
        return installs(plan_env(spec, engine="vllm", host_python=host.python, accelerator=accelerator).plan)

    assert plan("sm_120") == {
        "vllm": "0.21.0",
        "flashinfer-python": "0.6.11.post3",
        "flashinfer-cubin": "0.6.11.post3",
        "flashinfer-jit-cache": "0.6.11.post3+cu130",
    }
    assert plan("sm_90") == {
        "vllm": "0.21.0",
        "flashinfer-python": "0.6.8.post1",
        "flashinfer-cubin": "0.6.8.post1",
    }


# -- 9: an optional requirement that must work where it is there ---------------------------------------------------


@pytest.fixture
def jina(host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec) -> Path:
    wheelhouse.add("einops", "0.8.0")
    return write_spec("jina-embeddings-v3", ["einops", "flash-attn"])


def test_case_9_flash_attention_may_be_absent(jina: Path, host: Host) -> None:
    env = ensure_env(jina, host_python=host.python, accelerator="none")
    assert env.receipt is not None
    assert installs(env.receipt.plan) == {"einops": "0.8.0"}
    assert [item.requirement for item in env.receipt.plan.absent] == ["flash-attn"]
    assert env.run(["python", "-c", "import einops"]).returncode == 0


def test_case_9_flash_attention_is_never_built_from_source(jina: Path, host: Host, wheelhouse: Wheelhouse) -> None:
    (wheelhouse.path / "flash_attn-2.8.0.tar.gz").write_bytes(b"not to be opened")
    made = plan_env(jina, host_python=host.python, accelerator="none").plan
    assert [item.requirement for item in made.absent] == ["flash-attn"]


GPU = "cuda=12.8,arch=sm_90"


def test_case_9_flash_attention_from_given_wheels_is_tried(jina: Path, host: Host, wheelhouse: Wheelhouse) -> None:
    wheelhouse.add("flash-attn", "2.8.0", files={"flash_attn.py": "def flash_attn_func(): ...\n"})
    env = ensure_env(jina, host_python=host.python, accelerator=GPU)
    assert env.receipt is not None
    assert installs(env.receipt.plan) == {"einops": "0.8.0", "flash-attn": "2.8.0"}


@pytest.mark.parametrize("source", ["raise ImportError('undefined symbol')\n", "other = 1\n"])
def test_case_9_flash_attention_that_does_not_work_is_refused(
    jina: Path, host: Host, wheelhouse: Wheelhouse, home: Path, source: str
) -> None:
    wheelhouse.add("flash-attn", "2.8.0", files={"flash_attn.py": source})
    with pytest.raises(ProofError) as caught:
        ensure_env(jina, host_python=host.python, accelerator=GPU)
    assert caught.value.code == "import-failed"
    assert any("undefined symbol" in line or "flash_attn_func" in line for line in caught.value.details)
    assert list((home / "virtualenv").glob("envs/*")) == []
    # Where there is no GPU nothing of it is tried.
    assert ensure_env(jina, host_python=host.python, accelerator="none").built


def test_case_9_what_is_absent_is_not_tried(jina: Path, host: Host) -> None:
    assert ensure_env(jina, host_python=host.python, accelerator=GPU).built


# -- 10: without the public network --------------------------------------------------------------------------------


def test_case_10_offline_a_wheels_address_becomes_a_pin(
    home: Path, host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheelhouse.add("sgl-kernel", "0.3.21+cu130")
    wheelhouse.add("sgl-kernel", "0.4.0")
    address = "https://files.example/v0.3.21/sgl_kernel-0.3.21+cu130-py3-none-any.whl"
    spec = write_spec("m", [address, f"sgl_kernel @ {address} ; sys_platform == 'no-such'"])
    monkeypatch.setenv("XINFERENCE_VIRTUAL_ENV_OFFLINE_INSTALL", "1")
    env = ensure_env(spec, host_python=host.python)
    assert env.receipt is not None
    assert installs(env.receipt.plan) == {"sgl-kernel": "0.3.21+cu130"}
    assert env.receipt.plan.install[0].url is None


def test_case_10_offline_every_reference_that_no_index_serves_is_named(
    home: Path, host: Host, write_spec: WriteSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = [
        "git+https://git.example/huggingface/diffusers",
        "transformers @ git+https://git.example/huggingface/transformers@refs/pull/1/head",
        "tool @ https://files.example/tool-1.0.tar.gz",
    ]
    spec = write_spec("m", ["einops", *refused])
    monkeypatch.setenv("XINFERENCE_VIRTUAL_ENV_OFFLINE_INSTALL", "1")
    with pytest.raises(SpecError) as caught:
        ensure_env(spec, host_python=host.python)
    assert caught.value.code == "offline-reference"
    places = [f"virtualenv.packages[{number}]" for number in (1, 2, 3)]
    assert [line.partition(": ")[0] for line in caught.value.details] == places
    assert caught.value.remedy
    assert not home.exists()


# -- 11: vendor libraries on both sides ----------------------------------------------------------------------------


def test_case_11_split_vendor_libraries_are_on_the_loaders_path(
    home: Path, host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    for part in ("cublas", "cudnn"):
        wheelhouse.add(f"nvidia-{part}-cu13", "13.0", files={f"nvidia/{part}/lib/lib{part}.so.13": "library"})
    wheelhouse.add("engine", "1.0", requires=["nvidia-cublas-cu13", "nvidia-cudnn-cu13"])
    wheelhouse.add("pure", "1.0")
    host.install("nvidia-cublas-cu13")
    monkeypatch.setenv(LIBRARY_PATH, "/opt/lib")
    env = ensure_env(write_spec("m", ["engine"]), host_python=host.python)
    site_packages = next((env.path / "lib").glob("python*/site-packages"))
    assert env.environ()[LIBRARY_PATH].split(":") == [
        str(site_packages / "nvidia" / "cudnn" / "lib"),
        str(host.site_packages / "nvidia" / "cublas" / "lib"),
        "/opt/lib",
    ]
    shown = env.run(["python", "-c", f"import os; print(os.environ[{LIBRARY_PATH!r}])"], capture=True)
    assert shown.stdout.strip() == env.environ()[LIBRARY_PATH]
    whole = ensure_env(write_spec("whole", ["pure"]), host_python=host.python)
    assert whole.environ()[LIBRARY_PATH] == "/opt/lib"
    alone = ensure_env(write_spec("alone", ["engine"]), host_python=host.python, isolated=True)
    assert alone.environ()[LIBRARY_PATH] == "/opt/lib"
