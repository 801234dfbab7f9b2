"""The table of all variables: name, default, form, meaning, and whether venvkit acts on it."""

from __future__ import annotations

from venvkit.settings.kinds import (
    ACCELERATOR,
    BOOL,
    BYTES,
    HOME,
    INTERPRETER,
    KEY,
    MOMENT,
    NAMES,
    NETWORKS,
    PATHS,
    ROOTS,
    SIZE,
    TEXT,
    URL,
    Kind,
    choice,
    number,
    whole,
)


class Variable:
    """One documented variable.

    Attributes:
        name: Its name in the environment, in the settings file and among the arguments.
        default: The text that stands for it where nobody sets it; empty when it is unset by default.
        kind: What its values look like.
        meaning: What it does, in one line.
        attribute: Its name in `Settings`; by default the variable's without its first word.
        secret: Whether its value must never be shown.
        acts: Whether venvkit acts on it; the others belong to the server and are only shown.
        late: Whether it is checked only where it is used, so that a fault in it stops nothing else.
    """

    __slots__ = ("acts", "attribute", "default", "kind", "late", "meaning", "name", "secret")

    acts: bool
    late: bool

    def __init__(
        self, name: str, default: str, kind: Kind, meaning: str, *, attribute: str = "", secret: bool = False
    ) -> None:
        self.name = name
        self.default = default
        self.kind = kind
        self.meaning = meaning
        self.attribute = attribute or name.partition("_")[2].lower()
        self.secret = secret


def _part(*variables: Variable, acts: bool, late: bool = False) -> tuple[Variable, ...]:
    for variable in variables:
        variable.acts = acts
        variable.late = late
    return variables


HOME_IN_DEFAULT = "$XINFERENCE_HOME"
"""Stands for the value of XINFERENCE_HOME where it opens another variable's default."""

BACKENDS = ("uv", "pip")
PROOFS = ("metadata", "linkage", "import")
ORPHANS = ("hold-repair-hide", "hold-repair", "hold-hide", "hold", "report")
_HUBS = choice("huggingface", "modelscope", "openmind_hub", "csghub", "auto")

# fmt: off
VARIABLES: tuple[Variable, ...] = (
    *_part(
        Variable("XINFERENCE_HOME", "~/.xinference", HOME,
            "Directory that holds the environments, the models and the files a person edits."),
        Variable("XINFERENCE_ENABLE_VIRTUAL_ENV", "1", BOOL,
            "Give each model an environment of its own; off hands out the host's interpreter.", attribute="enable"),
        Variable("XINFERENCE_VIRTUAL_ENV_SKIP_INSTALLED", "1", BOOL,
            "Inherit what the host has and the model can use; off installs all that the model reaches.",
            attribute="skip_installed"),
        Variable("XINFERENCE_VIRTUAL_ENV_OFFLINE_INSTALL", "0", BOOL,
            "Install without the public network: direct URLs become pins, and git references are refused.",
            attribute="offline"),
        Variable("XINFERENCE_VIRTUAL_ENV_FIND_LINKS_ALLOWED_ROOTS", f"{HOME_IN_DEFAULT}/wheels", ROOTS,
            "Directories inside which a launch may name wheel directories; an empty value allows none.",
            attribute="find_links_roots"),
        Variable("XINFERENCE_DOWNLOAD_MAX_ATTEMPTS", "3", whole(1),
            "How often a download is tried before it counts as failed.", attribute="download_attempts"),
        Variable("XINFERENCE_MODEL_SRC", "huggingface", _HUBS,
            "Hub that model files come from; markers read it as `#model_src#`."),
        Variable("VENVKIT_HOST_PYTHON", "", INTERPRETER,
            "Interpreter whose packages are the host; unset means the one that runs venvkit."),
        Variable("VENVKIT_ACCELERATOR", "", ACCELERATOR,
            "Accelerator to plan for in place of the one found here: `none` or facts as `cuda=13.0,arch=sm_90`."),
        Variable("VENVKIT_ENGINES", "", PATHS,
            "Files with further engine tables; an engine in them wins over ours of the same name."),
        Variable("VENVKIT_EXCLUDE_NEWER", "", MOMENT,
            "Ignore distributions uploaded after this date, or younger than this age."),
        Variable("VENVKIT_BACKEND", "uv", choice(*BACKENDS),
            "What plans and installs: uv, or pip with virtualenv where uv cannot run."),
        Variable("VENVKIT_TIMEOUT", "3600", number(above_zero=True),
            "Time limit of one child process, and of what is read over HTTP, in seconds."),
        Variable("VENVKIT_ORPHANS", "hold-repair-hide", choice(*ORPHANS),
            "What to do about host distributions that a plan would break: hold, repair, hide, in this order; else "
            "report."),
        Variable("VENVKIT_REPAIR_BUDGET", "200000000", BYTES,
            "Bytes that the repair of one host distribution may download, with what it alone brings."),
        Variable("VENVKIT_RUNTIME", "xinference,xoscar,ray", NAMES,
            "Host distributions that a model's process itself runs on: no plan installs a copy of them."),
        Variable("VENVKIT_PROVE", "linkage", choice(*PROOFS),
            "How far an environment is proved: by metadata, by its shared objects too, or by imports of the request."),
        Variable("VENVKIT_PROTECT", "", NAMES,
            "Distributions that a plan may neither break nor replace, such as the server itself."),
        Variable("VENVKIT_MAX_BUILDS", "2", whole(1), "How many environments may be built at the same time."),
        Variable("VENVKIT_MAX_SIZE", "", BYTES,
            "Bytes that all environments together may hold; after a build the least recently used ones go."),
        Variable("VENVKIT_LOCK", "flock", choice("flock", "soft"),
            "How the store locks: by the kernel, or by files that exist, for a filesystem without `flock`."),
        acts=True,
    ),
    # Only a call that asks the server reads these.
    *_part(
        Variable("XINFERENCE_ENDPOINT", "http://127.0.0.1:9997", URL,
            "Where the server answers that is asked for models with `--from-server`."),
        Variable("XINFERENCE_HEALTH_CHECK_FAILURE_THRESHOLD", "5", whole(0),
            "Failed health checks that a starting server may have before it is given up."),
        Variable("XINFERENCE_HEALTH_CHECK_INTERVAL", "5", whole(0), "Pause between two health checks, in seconds."),
        Variable("XINFERENCE_HEALTH_CHECK_TIMEOUT", "10", whole(1), "Time limit of one health check, in seconds."),
        Variable("XINFERENCE_DISABLE_HEALTH_CHECK", "0", BOOL, "Ask the server at once, without health checks before."),
        Variable("VENVKIT_API_KEY", "", KEY,
            "Key or token that the server asks for; sent to XINFERENCE_ENDPOINT alone.", secret=True),
        acts=True,
        late=True,
    ),
    # They belong to the server.
    *_part(
        Variable("XINFERENCE_DISABLE_METRICS", "0", BOOL,
            "Serve no metrics: neither the exporters nor the `/metrics` page."),
        Variable("XINFERENCE_TEXT_TO_IMAGE_BATCHING_SIZE", "", SIZE,
            "Image size for which text-to-image requests are batched continuously; unset does not batch."),
        Variable("XINFERENCE_SSE_PING_ATTEMPTS_SECONDS", "600", whole(1),
            "Pause between two pings that keep an event stream open, in seconds."),
        Variable("XINFERENCE_MAX_TOKENS", "", whole(1), "Upper bound on the tokens of every request; unset sets none."),
        Variable("XINFERENCE_ALLOWED_IPS", "", NETWORKS, "Clients that may connect; unset lets everyone in."),
        Variable("XINFERENCE_BATCH_SIZE", "32", whole(1), "How many requests a batch holds where batching is on."),
        Variable("XINFERENCE_BATCH_INTERVAL", "0.003", number(above_zero=False),
            "How long a batch waits for further requests, in seconds."),
        Variable("XINFERENCE_ALLOW_MULTI_REPLICA_PER_GPU", "1", BOOL, "Let several replicas of a model share one GPU."),
        Variable("XINFERENCE_LAUNCH_STRATEGY", "IDLE_FIRST_LAUNCH_STRATEGY", TEXT,
            "Name of the rule by which replicas are put on GPUs."),
        Variable("XINFERENCE_CSG_TOKEN", "", TEXT, "Token for models that come from CSGHub.", secret=True),
        Variable("XINFERENCE_CSG_ENDPOINT", "https://hub-stg.opencsg.com/", URL, "Address of CSGHub."),
        acts=False,
    ),
)
"""Every variable, those that venvkit acts on first."""
# fmt: on

BY_NAME: dict[str, Variable] = {variable.name: variable for variable in VARIABLES}
BY_ATTRIBUTE: dict[str, Variable] = {variable.attribute: variable for variable in VARIABLES if variable.acts}
