"""Settings: where a value comes from, what is accepted, and what is never shown."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from uv import find_uv_bin

from venvkit.errors import SettingError, UsageError
from venvkit.host.accelerator import parse_accelerator
from venvkit.settings import VARIABLES, Setting, Settings, Variable, key_environ, load_settings

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def home(tmp_path: Path) -> Path:
    directory = tmp_path / "home"
    (directory / "venvkit").mkdir(parents=True)
    return directory


def write_file(home: Path, text: str) -> Path:
    path = home / "venvkit" / "settings.toml"
    path.write_text(text, encoding="utf-8")
    return path


def explained(environ: dict[str, str], name: str) -> Setting:
    return next(setting for setting in load_settings(environ).explain() if setting.variable.name == name)


def refused(environ: dict[str, str], arguments: dict[str, str] | None = None) -> SettingError:
    with pytest.raises(SettingError) as caught:
        load_settings(environ, arguments)
    return caught.value


def test_defaults_are_those_of_the_documentation(tmp_path: Path) -> None:
    settings = load_settings({"HOME": str(tmp_path)})
    assert settings.home == str(tmp_path / ".xinference")
    assert (settings.enable, settings.skip_installed, settings.offline) == (True, True, False)
    assert settings.find_links_roots == (str(tmp_path / ".xinference" / "wheels"),)
    assert (settings.download_attempts, settings.model_src) == (3, "huggingface")
    assert (settings.host_python, settings.accelerator, settings.exclude_newer) == (None, None, None)
    assert (settings.engines, settings.protect) == ((), ())
    assert (settings.timeout, settings.orphans, settings.max_builds) == (3600.0, "hold-repair-hide", 2)
    assert (settings.runtime, settings.repair_budget) == (("xinference", "xoscar", "ray"), 200_000_000)
    assert settings.endpoint == "http://127.0.0.1:9997"
    assert settings.disable_health_check is False
    assert settings.health_check_failure_threshold == 5
    assert (settings.health_check_interval, settings.health_check_timeout) == (5, 10)
    assert settings.api_key is None
    assert {setting.origin for setting in settings.explain()} == {"default"}
    assert not [setting.variable.name for setting in settings.explain() if setting.fault]


def test_each_level_wins_over_the_weaker_ones(home: Path) -> None:
    write_file(home, "VENVKIT_TIMEOUT = 10\nVENVKIT_MAX_BUILDS = 5\nXINFERENCE_BATCH_SIZE = 4\n")
    environ = {"XINFERENCE_HOME": str(home), "VENVKIT_TIMEOUT": "20", "VENVKIT_ORPHANS": "hold"}
    settings = load_settings(environ, {"VENVKIT_TIMEOUT": "30"})
    assert (settings.timeout, settings.max_builds, settings.orphans) == (30.0, 5, "hold")
    origins = {setting.variable.name: setting.origin for setting in settings.explain()}
    assert origins["VENVKIT_TIMEOUT"] == "argument"
    assert origins["VENVKIT_ORPHANS"] == "environment"
    assert origins["VENVKIT_MAX_BUILDS"] == origins["XINFERENCE_BATCH_SIZE"] == "file"
    assert origins["VENVKIT_PROTECT"] == "default"
    assert load_settings(environ).timeout == 20.0


def test_a_blank_value_counts_as_not_set(home: Path) -> None:
    write_file(home, "VENVKIT_MAX_BUILDS = 5\n")
    environ = {"XINFERENCE_HOME": str(home), "VENVKIT_MAX_BUILDS": " ", "XINFERENCE_ENABLE_VIRTUAL_ENV": ""}
    settings = load_settings(environ, {"VENVKIT_TIMEOUT": ""})
    assert (settings.max_builds, settings.enable, settings.timeout) == (5, True, 3600.0)


def test_blank_find_links_roots_allow_none(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path), "XINFERENCE_VIRTUAL_ENV_FIND_LINKS_ALLOWED_ROOTS": ""}
    assert load_settings(environ).find_links_roots == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("~", "{user}"),
        ("~/models", "{user}/models"),
        ("models", "{cwd}/models"),
        ("./a/../b", "{cwd}/b"),
        ("/srv/models/", "/srv/models"),
        (" /srv/models\n", "/srv/models"),
        ("", "{user}/.xinference"),
    ],
)
def test_home_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, expected: str) -> None:
    monkeypatch.chdir(tmp_path)
    user = str(tmp_path / "user")
    got = load_settings({"HOME": user, "XINFERENCE_HOME": text}).home
    assert got == expected.format(user=user, cwd=Path.cwd())


def test_home_of_an_unknown_user_is_refused() -> None:
    error = refused({"XINFERENCE_HOME": "~no-such-user-here/x"})
    assert (error.code, error.where) == ("setting-invalid", "XINFERENCE_HOME")


@pytest.mark.parametrize("text", ["1", "true", "Yes", "ON"])
def test_booleans_that_are_true(text: str) -> None:
    assert load_settings({"XINFERENCE_VIRTUAL_ENV_OFFLINE_INSTALL": text}).offline is True


@pytest.mark.parametrize("text", ["0", "FALSE", "no", "off"])
def test_booleans_that_are_false(text: str) -> None:
    assert load_settings({"XINFERENCE_ENABLE_VIRTUAL_ENV": text}).enable is False


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("XINFERENCE_ENABLE_VIRTUAL_ENV", "maybe"),
        ("XINFERENCE_ENABLE_VIRTUAL_ENV", "2"),
        ("XINFERENCE_DOWNLOAD_MAX_ATTEMPTS", "0"),
        ("XINFERENCE_DOWNLOAD_MAX_ATTEMPTS", "three"),
        ("XINFERENCE_MODEL_SRC", "somewhere"),
        ("VENVKIT_TIMEOUT", "0"),
        ("VENVKIT_TIMEOUT", "nan"),
        ("VENVKIT_TIMEOUT", "inf"),
        ("VENVKIT_TIMEOUT", "-1"),
        ("VENVKIT_TIMEOUT", "1_0"),
        ("VENVKIT_MAX_BUILDS", "0"),
        ("VENVKIT_MAX_BUILDS", "1_0"),
        ("VENVKIT_MAX_BUILDS", "1.5"),
        ("VENVKIT_MAX_BUILDS", "١"),
        ("VENVKIT_ORPHANS", "Hold"),
        ("VENVKIT_PROTECT", "xinference,--index-url"),
        ("VENVKIT_PROTECT", "a b"),
        ("VENVKIT_EXCLUDE_NEWER", "yesterday"),
        ("VENVKIT_ENGINES", "~no-such-user-here/e.toml"),
        ("VENVKIT_ACCELERATOR", "gpu"),
    ],
)
def test_a_malformed_value_is_refused_by_name_value_and_what_is_accepted(name: str, text: str) -> None:
    error = refused({name: text})
    accepted = next(variable.kind.accepts for variable in VARIABLES if variable.name == name)
    assert (error.code, error.where, error.exit_code) == ("setting-invalid", name, 2)
    assert repr(text) in error.message
    assert accepted in error.message
    assert error.remedy


def test_all_faults_are_gathered(home: Path) -> None:
    write_file(home, 'VENVKIT_ORPHANS = "drop"\nVENVKIT_MAX_BUILD = 3\n[table]\nx = 1\n')
    environ = {"XINFERENCE_HOME": str(home), "XINFERENCE_ENABLE_VIRTUAL_ENV": "maybe"}
    error = refused(environ, {"VENVKIT_TIMEOUT": "soon", "NO_SUCH": "1"})
    assert "6 settings" in error.message
    text = "\n".join(error.details)
    assert len(error.details) == 6
    for part in ("'drop'", "VENVKIT_MAX_BUILDS?", "'table'", "'maybe'", "'soon'", "NO_SUCH"):
        assert part in text


@pytest.mark.parametrize("name", ["VENVKIT_MAX_BUILD", "venvkit_max_builds"])
def test_an_unknown_name_in_the_file_suggests_the_nearest(home: Path, name: str) -> None:
    path = write_file(home, f"{name} = 3\n")
    error = refused({"XINFERENCE_HOME": str(home)})
    assert error.where == str(path)
    assert "did you mean VENVKIT_MAX_BUILDS?" in error.message


def test_home_cannot_come_from_the_file_that_lies_in_it(home: Path) -> None:
    write_file(home, 'XINFERENCE_HOME = "/elsewhere"\n')
    assert "XINFERENCE_HOME" in refused({"XINFERENCE_HOME": str(home)}).message


@pytest.mark.parametrize("content", [b"VENVKIT_TIMEOUT 10", b"VENVKIT_TIMEOUT = ", b"\xff\xfe", b"A=1\nA=2"])
def test_a_malformed_file_is_refused(home: Path, content: bytes) -> None:
    path = write_file(home, "")
    path.write_bytes(content)
    error = refused({"XINFERENCE_HOME": str(home)})
    assert (error.code, error.where) == ("settings-file-invalid", str(path))


def test_the_file_may_use_the_types_of_toml(home: Path) -> None:
    write_file(
        home,
        "XINFERENCE_ENABLE_VIRTUAL_ENV = false\nVENVKIT_TIMEOUT = 0.5\nVENVKIT_EXCLUDE_NEWER = 2026-01-31\n"
        'VENVKIT_PROTECT = ["Xinference", "typing_extensions"]\nVENVKIT_ENGINES = ["/a/b.toml", "~/c.toml"]\n'
        'XINFERENCE_ALLOWED_IPS = ["10.0.0.0/8", "::1"]\n',
    )
    settings = load_settings({"XINFERENCE_HOME": str(home), "HOME": "/users/me"})
    assert (settings.enable, settings.timeout, settings.exclude_newer) == (False, 0.5, "2026-01-31")
    assert settings.protect == ("xinference", "typing-extensions")
    assert settings.engines == ("/a/b.toml", "/users/me/c.toml")


@pytest.mark.parametrize("value", ['["a"]', "[1]", "{ a = 1 }", "07:30:00", "true", "1.0"])
def test_a_value_of_the_wrong_type_in_the_file_is_refused(home: Path, value: str) -> None:
    write_file(home, f"VENVKIT_MAX_BUILDS = {value}\n")
    error = refused({"XINFERENCE_HOME": str(home)})
    assert (error.where, error.code) == ("VENVKIT_MAX_BUILDS", "setting-invalid")
    assert "a whole number of at least 1" in error.message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("python3.12", "python3.12"),
        ("/opt/p/bin/python", "/opt/p/bin/python"),
        ("./bin/python", "{cwd}/bin/python"),
        ("~/p/bin/python", "/users/me/p/bin/python"),
    ],
)
def test_the_host_interpreter_is_a_path_or_a_name(text: str, expected: str) -> None:
    settings = load_settings({"HOME": "/users/me", "VENVKIT_HOST_PYTHON": text})
    assert settings.host_python == expected.format(cwd=Path.cwd())


def test_lists_drop_blank_items_and_normalize_names() -> None:
    settings = load_settings({"VENVKIT_PROTECT": " Xinference ,,Typing_.Extensions", "VENVKIT_ENGINES": ":/a:/b:"})
    assert settings.protect == ("xinference", "typing-extensions")
    assert settings.engines == ("/a", "/b")


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-31",
        "2026-01-31T10:00:00Z",
        "2026-01-31 10:00:00+02:00",
        "2026-01-31T10:00:00.5Z",
        "7 days",
        "30d",
        "1 week 2 days",
        "2w3d",
        "3 mins",
        "P7D",
        "P1W",
        "PT1H30M",
        "2026-13-01",
        "2026-02-30",
        "2026-01",
        "yesterday",
        "1.5 days",
        "7",
        "1 month",
        "P1M",
        "P",
        "PT",
        "1 fortnight",
        "02:30",
        "700000 days",
        "7304484 days",
        "99999999999999999999999 days",
        "999999999999 seconds",
        "P99999999D",
        "PT99999999999H",
        "9999-12-31",
        "0001-01-01",
        "2026-01-31T25:00:00Z",
        "2026-01-31T10:99:00Z",
        "2026-01-31t10:00:00z",
        "2026-01-31T10:00:00.123456789123Z",
        "p7d",
        "7 DAYS",
    ],
)
def test_the_age_limit_is_accepted_just_where_uv_accepts_it(tmp_path: Path, text: str) -> None:
    (tmp_path / "empty.txt").touch()
    command = [
        find_uv_bin(),
        "pip",
        "compile",
        "--offline",
        "--no-config",
        "--exclude-newer",
        text,
        "empty.txt",
    ]
    environ = {
        "PATH": os.environ["PATH"],
        "UV_CACHE_DIR": str(tmp_path / "cache"),
        "UV_PYTHON": sys.executable,
    }
    uv = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environ, check=False)
    if uv.returncode == 0:
        assert load_settings({"VENVKIT_EXCLUDE_NEWER": text}).exclude_newer == text
    else:
        assert "--exclude-newer" in uv.stderr
        assert refused({"VENVKIT_EXCLUDE_NEWER": text}).where == "VENVKIT_EXCLUDE_NEWER"


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("none", (False, False, None, None)),
        ("npu", (False, True, None, None)),
        ("cuda=13.0", (True, False, "13.0", None)),
        ("cuda=13", (True, False, "13.0", None)),
        ("cuda=13.0,arch=sm_90", (True, False, "13.0", "sm_90")),
        ("npu, cuda=12.8 , arch=sm_120", (True, True, "12.8", "sm_120")),
        ("gpu", None),
        ("cuda", None),
        ("cuda=", None),
        ("cuda=x", None),
        ("cuda=.", None),
        ("cuda=13.", None),
        ("cuda=.0", None),
        ("arch=sm_90", None),
        ("cuda=13.0,arch=90", None),
        ("cuda=13,arch=sm_9", None),
        ("cuda=13,arch=", None),
        ("cuda=13,arch=sm_1200", None),
        ("cuda=13.0,cuda=12.8", None),
        ("none,npu", None),
        ("npu=", None),
        ("npu=1", None),
        ("cuda=13.0,", None),
        ("cuda=1.2.3", None),
        ("cuda=١", None),
        ("cuda=13,arch=sm_١١", None),
    ],
)
def test_accelerator_facts(text: str, facts: tuple[object, ...] | None) -> None:
    if facts is None:
        assert refused({"VENVKIT_ACCELERATOR": text}).where == "VENVKIT_ACCELERATOR"
        with pytest.raises(UsageError):
            parse_accelerator(text)
    else:
        assert load_settings({"VENVKIT_ACCELERATOR": text}).accelerator == text
        found = parse_accelerator(text)
        assert (found.has_cuda, found.has_npu, found.cuda_version, found.cuda_arch) == facts


NUMERIC = [variable for variable in VARIABLES if variable.kind.name in ("integer", "number", "bytes", "size")]
HUGE = [
    "9" * 400,
    "9" * 6000,
    "1" + "0" * 19,
    f"{'9' * 400}TiB",
    f"1.{'9' * 6000}G",
    "9e400",
    "1e300",
    f"{'9' * 400}*1",
]


@pytest.mark.parametrize("variable", NUMERIC, ids=[variable.name for variable in NUMERIC])
@pytest.mark.parametrize("text", HUGE, ids=range(len(HUGE)))
def test_a_number_of_any_size_is_a_fault_of_the_setting(home: Path, variable: Variable, text: str) -> None:
    setting = explained({variable.name: text}, variable.name) if not variable.acts or variable.late else None
    fault = setting.fault if setting else refused({variable.name: text}).message
    assert variable.kind.accepts in fault
    assert len(fault) < 400


@pytest.mark.parametrize(
    "value", ["0x" + "f" * 6000, "9" * 6000, "9" * 400, "1e400", "inf", "nan", "[" * 3000 + "]" * 3000]
)
def test_a_number_of_any_size_in_the_file_is_a_fault_of_the_file(home: Path, value: str) -> None:
    write_file(home, f"VENVKIT_MAX_SIZE = {value}\n")
    assert refused({"XINFERENCE_HOME": str(home)}).code in ("setting-invalid", "settings-file-invalid")


def test_the_largest_numbers_are_what_the_system_takes(home: Path) -> None:
    environ = {"VENVKIT_TIMEOUT": "1e9", "VENVKIT_MAX_SIZE": str(2**63 - 1), "VENVKIT_MAX_BUILDS": "1000000000"}
    settings = load_settings(environ)
    assert (settings.timeout, settings.max_size, settings.max_builds) == (1e9, 2**63 - 1, 10**9)
    subprocess.run(["true"], timeout=settings.timeout, check=True)
    assert load_settings({"VENVKIT_MAX_SIZE": "1.5GiB"}).max_size == 3 * 2**29
    assert load_settings({"VENVKIT_MAX_SIZE": "0.1k"}).max_size == 100


def test_a_checker_knows_every_attribute_of_the_table() -> None:
    acting = {variable.attribute for variable in VARIABLES if variable.acts}
    assert set(Settings.__annotations__) - {"_acting", "_levels"} == acting
    settings = load_settings({})
    assert all(hasattr(settings, attribute) for attribute in acting)
    assert not hasattr(settings, "batch_size")


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_a_settings_file_that_is_no_regular_file_is_refused(home: Path, kind: str) -> None:
    path = home / "venvkit" / "settings.toml"
    path.mkdir() if kind == "folder" else os.mkfifo(path)
    assert refused({"XINFERENCE_HOME": str(home)}).code == "settings-file-invalid"


@pytest.mark.parametrize(
    ("name", "text", "value", "shown"),
    [
        ("XINFERENCE_TEXT_TO_IMAGE_BATCHING_SIZE", "1024*768", (1024, 768), "1024*768"),
        ("XINFERENCE_ALLOWED_IPS", "10.1.0.0/16, ::1", ("10.1.0.0/16", "::1/128"), "10.1.0.0/16,::1/128"),
        ("XINFERENCE_BATCH_INTERVAL", "0", 0.0, "0.0"),
        ("XINFERENCE_MAX_TOKENS", "", None, ""),
        ("XINFERENCE_DISABLE_METRICS", "yes", True, "1"),
        (
            "XINFERENCE_ENDPOINT",
            "https://me:pw@h.example:1",
            "https://me:pw@h.example:1",
            "https://****@h.example:1",
        ),
    ],
)
def test_values_that_no_build_reads(name: str, text: str, value: object, shown: str) -> None:
    setting = explained({name: text}, name)
    assert (setting.value, setting.shown, setting.fault) == (value, shown, "")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("XINFERENCE_TEXT_TO_IMAGE_BATCHING_SIZE", "1024x1024"),
        ("XINFERENCE_TEXT_TO_IMAGE_BATCHING_SIZE", "0*5"),
        ("XINFERENCE_ALLOWED_IPS", "10.1.0.0/33"),
        ("XINFERENCE_ALLOWED_IPS", "10.1.0.1,localhost"),
        ("XINFERENCE_ENDPOINT", "127.0.0.1:9997"),
        ("XINFERENCE_ENDPOINT", "http://"),
        ("XINFERENCE_ENDPOINT", "http://:80"),
        ("XINFERENCE_ENDPOINT", "http://a b"),
        ("XINFERENCE_BATCH_INTERVAL", "-0.1"),
        ("XINFERENCE_SSE_PING_ATTEMPTS_SECONDS", "soon"),
    ],
)
def test_a_fault_in_what_no_build_reads_does_not_stop_the_load(name: str, text: str) -> None:
    setting = explained({name: text}, name)
    assert setting.value is None
    assert repr(text) in setting.fault
    assert setting.variable.kind.accepts in setting.fault
    assert setting.shown == text


OF_THE_SERVER = [
    ("XINFERENCE_ENDPOINT", "nowhere", "endpoint"),
    ("XINFERENCE_HEALTH_CHECK_FAILURE_THRESHOLD", "-1", "health_check_failure_threshold"),
    ("XINFERENCE_HEALTH_CHECK_INTERVAL", "1.5", "health_check_interval"),
    ("XINFERENCE_HEALTH_CHECK_TIMEOUT", "0", "health_check_timeout"),
    ("XINFERENCE_DISABLE_HEALTH_CHECK", "perhaps", "disable_health_check"),
    ("VENVKIT_API_KEY", "two words", "api_key"),
]


@pytest.mark.parametrize(("name", "text", "attribute"), OF_THE_SERVER)
def test_what_only_a_call_to_the_server_reads_is_checked_there(name: str, text: str, attribute: str) -> None:
    settings = load_settings({name: text})
    assert [setting.variable.name for setting in settings.explain() if setting.fault] == [name]
    with pytest.raises(SettingError) as caught:
        getattr(settings, attribute)
    variable = next(variable for variable in VARIABLES if variable.name == name)
    assert (caught.value.code, caught.value.where) == ("setting-invalid", name)
    assert variable.kind.accepts in caught.value.message
    assert (variable.acts, variable.late) == (True, True)
    for _, _, other in OF_THE_SERVER:
        assert other == attribute or getattr(settings, other) == getattr(load_settings({}), other)


def test_what_is_checked_late_is_just_what_the_server_is_asked_with() -> None:
    assert {variable.name for variable in VARIABLES if variable.late} == {name for name, _, _ in OF_THE_SERVER}


def test_the_values_that_the_server_is_asked_with(home: Path) -> None:
    write_file(home, 'VENVKIT_API_KEY = "xf-of-the-file"\nXINFERENCE_HEALTH_CHECK_INTERVAL = 0\n')
    environ = {
        "XINFERENCE_HOME": str(home),
        "XINFERENCE_HEALTH_CHECK_FAILURE_THRESHOLD": "0",
        "XINFERENCE_HEALTH_CHECK_TIMEOUT": "1",
        "XINFERENCE_DISABLE_HEALTH_CHECK": "1",
    }
    settings = load_settings(environ)
    assert (settings.health_check_failure_threshold, settings.health_check_interval) == (0, 0)
    assert (settings.health_check_timeout, settings.disable_health_check) == (1, True)
    assert settings.api_key == "xf-of-the-file"
    assert load_settings({**environ, "VENVKIT_API_KEY": " xf-of-the-environment\n"}).api_key == "xf-of-the-environment"


@pytest.mark.parametrize("text", ["two words", "schl\u00fcssel", "a\nb", "a\r\nX-Admin: 1", "a\x00b", "a\x7f"])
def test_a_key_is_never_shown(text: str) -> None:
    good, bad = (explained({"VENVKIT_API_KEY": key}, "VENVKIT_API_KEY") for key in ("xf-very-secret", text))
    assert (good.value, good.shown, good.fault) == ("xf-very-secret", "****", "")
    assert (bad.value, bad.shown) == (None, "****")
    assert "printable ASCII" in bad.fault
    assert text not in bad.fault
    assert repr(text)[1:-1] not in bad.fault


def test_secrets_are_masked_in_what_is_shown_and_in_faults() -> None:
    token = explained({"XINFERENCE_CSG_TOKEN": "very-secret-token"}, "XINFERENCE_CSG_TOKEN")
    assert (token.value, token.shown) == ("very-secret-token", "****")
    assert explained({}, "XINFERENCE_CSG_TOKEN").shown == ""
    bad = explained({"XINFERENCE_CSG_ENDPOINT": "ftp://me:hidden@h.example"}, "XINFERENCE_CSG_ENDPOINT")
    assert "hidden" not in bad.fault + bad.shown
    assert "hidden" not in str(refused({"VENVKIT_ORPHANS": "https://me:hidden@h.example"}))


def test_settings_are_read_only_and_of_one_moment() -> None:
    environ = {"XINFERENCE_ENDPOINT": "http://one.example"}
    settings = load_settings(environ)
    environ["XINFERENCE_ENDPOINT"] = "http://two.example"
    assert settings.endpoint == "http://one.example"
    with pytest.raises(AttributeError):
        settings.home = "/elsewhere"
    with pytest.raises(AttributeError):
        settings.explain()[0].raw = "/elsewhere"


def test_the_process_environment_is_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XINFERENCE_HOME", str(tmp_path))
    monkeypatch.setenv("UV_RESOLUTION", "lowest")
    assert load_settings().home == str(tmp_path)
    assert key_environ()["UV_RESOLUTION"] == "lowest"


@pytest.mark.parametrize(
    "name",
    [
        "XINFERENCE_VIRTUAL_ENV_SKIP_INSTALLED",
        "XINFERENCE_MODEL_SRC",
        "VENVKIT_HOST_PYTHON",
        "VENVKIT_EXCLUDE_NEWER",
        "PIP_INDEX_URL",
        "PIP_FIND_LINKS",
        "PIP_CONFIG_FILE",
        "PIP_no_index",
        "UV_INDEX",
        "UV_INDEX_CORP_USERNAME",
        "UV_TORCH_BACKEND",
        "UV_CONSTRAINT",
        "UV_NO_BUILD_ISOLATION",
        "UV_CONFIG_FILE",
        "UV_SOMETHING_NEW",
        "PYTHONPATH",
        "PYTHONNOUSERSITE",
        "PYTHONUSERBASE",
    ],
)
def test_what_can_change_an_answer_is_in_the_key(name: str) -> None:
    assert key_environ({name: "x"}) == {name: "x"}


@pytest.mark.parametrize(
    "name",
    [
        "VENVKIT_TIMEOUT",
        "VENVKIT_MAX_BUILDS",
        "VENVKIT_API_KEY",
        "XINFERENCE_CSG_TOKEN",
        "XINFERENCE_ENDPOINT",
        "XINFERENCE_HEALTH_CHECK_TIMEOUT",
        "PIP_DISABLE_PIP_VERSION_CHECK",
        "PIP_default_timeout",
        "UV_NO_PROGRESS",
        "UV_CACHE_DIR",
        "UV_LINK_MODE",
        "UV_CONCURRENT_DOWNLOADS",
        "UV_INDEX_CORP_PASSWORD",
        "UV_PUBLISH_TOKEN",
        "PYTHONDONTWRITEBYTECODE",
        "LANG",
        "MY_UV_INDEX",
    ],
)
def test_what_cannot_change_an_answer_is_not_in_the_key(name: str) -> None:
    assert key_environ({name: "x"}) == {}


def test_every_resolution_option_of_uv_is_in_the_key() -> None:
    text = subprocess.run(
        [find_uv_bin(), "pip", "install", "--help"],
        capture_output=True,
        text=True,
        check=True,
        env={"NO_COLOR": "1"},
    ).stdout
    options = text[: text.index("Cache options:")]
    # The options of uv's first sections choose distributions, these few excepted.
    chosen = set(re.findall(r"\[env: (UV_\w+)", options)) - {
        "UV_LINK_MODE",
        "UV_COMPILE_BYTECODE",
        "UV_KEYRING_PROVIDER",
    }
    assert len(chosen) > 10
    assert key_environ(dict.fromkeys(chosen, "x")).keys() == chosen


LIGHT = """
import sys
sys.path.insert(0, sys.argv[1])
import os
before = set(sys.modules)
import venvkit.settings
venvkit.settings.load_settings({"XINFERENCE_HOME": sys.argv[2], "VENVKIT_TIMEOUT": "5"})
venvkit.settings.key_environ({"UV_INDEX": "x"})
print(*sorted(name for name in set(sys.modules) - before if not name.startswith("venvkit")))
"""


def test_loading_settings_imports_nothing_beyond_os_and_sys(tmp_path: Path) -> None:
    command = [sys.executable, "-I", "-S", "-B", "-c", LIGHT, str(ROOT), str(tmp_path)]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert set(loaded) <= {"__future__"}


def test_the_documentation_names_what_each_kind_accepts() -> None:
    text = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    assert not [variable.kind.name for variable in VARIABLES if f"* **{variable.kind.name}**:" not in text]
