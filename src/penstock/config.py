"""Settings: frozen values, from ``penstock.toml`` and the environment. Unknown keys are errors that name the key."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

import msgspec

from penstock.errors import BadInput, ConfigError
from penstock.ledger import Limits
from penstock.policy.compress.settings import CompressSettings
from penstock.policy.layout.settings import LayoutSettings
from penstock.policy.prune.settings import PruneSettings
from penstock.values import parse_money
from penstock.values.shape import is_object

__all__ = ["EMBEDDED", "KNOWN", "BudgetSettings", "GatewaySettings", "ProviderSettings", "Settings", "home", "load"]


class ProviderSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One place that answers calls: ``[providers.NAME]``."""

    dialect: Literal["openai", "anthropic"]
    base_url: str
    """With or without the trailing ``/v1``."""
    key_env: str = ""
    """The environment variable that holds the key."""
    models: tuple[str, ...] = ()
    """Further models that are asked of this provider by name."""
    small: str = ""
    """The model behind the tier ``small``."""
    large: str = ""
    """The model behind the tier ``large``, which is also the default."""
    fallback: str = ""
    """Who is asked instead when this one is overloaded or cannot be reached: ``NAME``, or ``NAME/model``."""
    prompt_cache: str = ""
    """Whose rules hold for its prompt cache: ``anthropic``, ``openai``, ...; ``off``: none; empty: by its address."""
    context_window: int = 0
    """The most tokens of prompt and answer together; 0: what is known of the model."""

    def serves(self, model: str) -> bool:
        """Whether the model is listed here."""
        return model in {*self.models, self.small, self.large} - {""}


class BudgetSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The limits of a session: ``[budget]``. What is absent is not limited."""

    money: str | int | float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    calls: int | None = None
    depth: int | None = None
    seconds: float | None = None
    allow_unpriced: bool = False

    def limits(self) -> Limits:
        """The same, checked. Raises `ConfigError` for an amount that is none."""
        for field in ("input_tokens", "output_tokens", "calls", "depth", "seconds"):
            value = getattr(self, field)
            if value is not None and value < 0:
                raise ConfigError(f"budget.{field} = {value} is negative", mend="leave it out for no limit")
        return Limits(
            nano=None if self.money is None else int(_money(self.money)),
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            calls=self.calls,
            depth=self.depth,
            seconds=self.seconds,
            allow_unpriced=self.allow_unpriced,
        )


def _money(value: str | float) -> int:
    try:
        return parse_money(str(value))
    except BadInput as error:
        raise ConfigError(f"budget.money: {error.message}", mend=error.mend) from None


class GatewaySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much ``penstock serve`` takes on: ``[gateway]``. Its options win."""

    max_concurrency: int = 256
    """Exchanges at once in each process."""
    max_waiting: int | None = None
    """How many may wait for their turn; absent: twice as many as run at once, and 256 where they are quick."""
    max_body_bytes: int = 32 << 20
    """The most bytes of a request, packed or unpacked: as much as Anthropic takes."""
    drain: int = 30
    """Seconds that what is under way may go on when the gateway is stopped."""

    def checked(self) -> GatewaySettings:
        """The same. Raises `ConfigError` for a number that is too small."""
        for field, least in (("max_concurrency", 1), ("max_waiting", 0), ("max_body_bytes", 1), ("drain", 0)):
            value = getattr(self, field)
            if value is not None and value < least:
                raise ConfigError(f"gateway.{field} = {value}", mend=f"at least {least}")
        return self


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that ``penstock.toml`` can say."""

    provider: str = ""
    """The provider asked when a call names none; absent: the first one."""
    providers: Mapping[str, ProviderSettings] = {}
    prices: Mapping[str, Mapping[str, str | int | float]] = {}
    """Dollars per million tokens by model: ``[prices."my-model"] input = "3.00"``. They win over all known prices."""
    budget: BudgetSettings = BudgetSettings()
    gateway: GatewaySettings = GatewaySettings()
    layout: LayoutSettings = LayoutSettings()
    compress: CompressSettings = CompressSettings()
    prune: PruneSettings = PruneSettings()
    max_concurrency: int = 10
    """Calls in flight at once, over all of a session."""

    def default(self) -> str:
        """The name of the provider asked when a call names none."""
        return self.provider or next(iter(self.providers), EMBEDDED)

    def choosing(self, provider: str | None = None, base_url: str | None = None) -> Settings:
        """The same with ``provider`` as the default one, reached at ``base_url``.

        Raises `BadInput` for a provider that nobody has described.
        """
        name = provider or self.default()
        if base_url is not None and name == EMBEDDED:
            name = "openai"
        if name == EMBEDDED:
            return msgspec.structs.replace(self, provider=name)
        described = {**KNOWN, **self.providers}
        if name not in described:
            raise BadInput(
                f"provider {name!r} is not described", mend=f"described are: {', '.join(described)}, {EMBEDDED}"
            )
        chosen = described[name]
        if base_url is not None:
            chosen = msgspec.structs.replace(chosen, base_url=base_url)
        return msgspec.structs.replace(self, provider=name, providers={**self.providers, name: chosen})

    def resolve(self, model: str | None) -> tuple[str, str]:
        """The provider and its model behind a name: a tier, ``provider/model``, or a model of any provider.

        Raises `BadInput` for a tier that the default provider does not set.
        """
        prefix, _, rest = (model or "").partition("/")
        if rest and prefix in self.providers:
            return prefix, rest
        name = self.default()
        if name == EMBEDDED:
            if model not in {None, "small", "large", EMBEDDED}:
                raise BadInput(
                    f"nobody is described who serves {model!r}", mend="set OPENAI_API_KEY or ANTHROPIC_API_KEY"
                )
            return name, EMBEDDED
        if model is None or model in {"small", "large"}:
            tier = model or "large"
            chosen: str = getattr(self.providers[name], tier)
            if not chosen:
                raise BadInput(
                    f"provider {name!r} sets no model for {tier!r}",
                    mend=f"name a model, or set {tier} = ... under [providers.{name}]",
                )
            return name, chosen
        serving = [other for other, described in self.providers.items() if described.serves(model)]
        if model.startswith("claude") and self.providers[name].base_url == KNOWN["openai"].base_url:
            serving = serving or [other for other, one in self.providers.items() if one.dialect == "anthropic"]
        elif model.startswith("gpt-") and self.providers[name].base_url == KNOWN["anthropic"].base_url:
            serving = serving or [other for other, one in self.providers.items() if one.dialect == "openai"]
        return (serving[0] if serving and name not in serving else name), model


EMBEDDED = "embedded"
"""The provider that is always there: it reads, and asks no model."""

KNOWN: Mapping[str, ProviderSettings] = {
    "openai": ProviderSettings(
        "openai", "https://api.openai.com/v1", "OPENAI_API_KEY", small="gpt-5-mini", large="gpt-5.5"
    ),
    "anthropic": ProviderSettings(
        "anthropic", "https://api.anthropic.com", "ANTHROPIC_API_KEY", small="claude-haiku-4-5", large="claude-sonnet-5"
    ),
}
"""The providers that need no description: a key in the environment is enough."""


def home(given: str | os.PathLike[str] | None = None) -> Path:
    """Where state lives: ``given``, else ``$PENSTOCK_HOME``, else the platform's folder for user data."""
    chosen = given or os.environ.get("PENSTOCK_HOME")
    if chosen:
        return Path(chosen).expanduser()
    from platformdirs import user_data_path

    return user_data_path("penstock", appauthor=False)


def load(file: str | os.PathLike[str] | None = None, *, as_client: bool = False) -> Settings:
    """The settings of ``file``, else of ``penstock.toml`` in the current folder, else of the environment alone.

    The environment adds ``openai`` and ``anthropic`` where the file does not describe them and there is a key or a
    ``PENSTOCK_..._BASE_URL``. ``as_client``: the variables that the official SDKs read, ``OPENAI_BASE_URL`` and
    ``ANTHROPIC_BASE_URL``, are followed too; a gateway must not, since they may point at itself.

    A file that was not named may come with a folder from anywhere: it does not get to send a key to any host it likes.
    Raises `ConfigError` when the file cannot be used.
    """
    path = Path(file) if file else Path("penstock.toml")
    if file is not None and not path.is_file():
        raise ConfigError(f"there is no configuration file {str(file)!r}", mend="check --config")
    settings = _read(path) if path.is_file() else Settings()
    if file is None:
        _check_hosts(settings)
    providers = dict(settings.providers)
    for name, known in KNOWN.items():
        base_url = os.environ.get(f"PENSTOCK_{name.upper()}_BASE_URL")
        if as_client:
            base_url = base_url or os.environ.get(f"{name.upper()}_BASE_URL")
        if name not in providers and (base_url or os.environ.get(known.key_env)):
            providers[name] = msgspec.structs.replace(known, base_url=base_url or known.base_url)
    _check_fallbacks(providers)
    if EMBEDDED in settings.providers:
        raise ConfigError(f"providers.{EMBEDDED} is the name of the reader that is built in", mend="take another name")
    if settings.provider and settings.provider not in {*providers, EMBEDDED}:
        listed = ", ".join(providers) or "none"
        raise ConfigError(f"provider = {settings.provider!r} is not described", mend=f"described are: {listed}")
    return msgspec.structs.replace(settings, providers=providers)


def _check_fallbacks(providers: Mapping[str, ProviderSettings]) -> None:
    """A body is handed on as it is, so who stands in speaks the same format."""
    for name, described in providers.items():
        other = providers.get(described.fallback.partition("/")[0])
        if described.fallback and (other is None or other is described or other.dialect != described.dialect):
            raise ConfigError(
                f"providers.{name}.fallback = {described.fallback!r} cannot stand in for it",
                mend=f"name another provider whose dialect is {described.dialect}",
            )


def _check_prompt_caches(providers: Mapping[str, ProviderSettings]) -> None:
    from penstock.providers.prompt_cache import TABLES

    for name, described in providers.items():
        if described.prompt_cache not in {"", "off", *TABLES}:
            raise ConfigError(
                f"providers.{name}.prompt_cache = {described.prompt_cache!r} is not known",
                mend=f"known are {', '.join(TABLES)}, and off",
            )


def _check_hosts(settings: Settings) -> None:
    """Refuse to send a key that is set to a host which only an unnamed file vouches for."""
    from penstock.providers.address import is_private

    for name, described in settings.providers.items():
        if not os.environ.get(described.key_env):
            continue
        host = (urlsplit(described.base_url).hostname or "").lower()
        known = KNOWN.get(described.dialect)
        own = known is not None and described.key_env == known.key_env and host == urlsplit(known.base_url).hostname
        if not own and not is_private(host):
            raise ConfigError(
                f"./penstock.toml would send ${described.key_env} to {host} (providers.{name})",
                mend="if you trust the file, name it: --config penstock.toml",
            )


def _read(path: Path) -> Settings:
    try:
        data: dict[str, Any] = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:  # no TOML, no UTF-8, a number of 4300 digits; or nested too deep
        raise ConfigError(f"{path} is not TOML: {error}") from None
    try:
        settings = _settings(data)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error.message}", mend=error.mend) from None
    if settings.max_concurrency < 1:
        raise ConfigError(f"{path}: max_concurrency = {settings.max_concurrency}", mend="at least 1")
    settings.budget.limits()
    settings.gateway.checked()
    settings.layout.checked()
    settings.compress.checked()
    settings.prune.checked()
    _check_prompt_caches(settings.providers)
    return settings


T = TypeVar("T", bound=msgspec.Struct)

_TABLES: dict[str, type[msgspec.Struct]] = {
    "budget": BudgetSettings,
    "gateway": GatewaySettings,
    "layout": LayoutSettings,
    "compress": CompressSettings,
    "prune": PruneSettings,
    "providers": ProviderSettings,
}
"""What stands below the top of a file."""


def _settings(data: Mapping[str, Any]) -> Settings:
    """What a file says, table by table, so that an error can name the table."""
    listed = data.get("providers", {})
    if not is_object(listed):
        raise ConfigError("providers is no table", mend="write [providers.NAME], one for each")
    return msgspec.structs.replace(
        _table(Settings, {key: value for key, value in data.items() if key not in _TABLES}),
        providers={name: _provider(name, each) for name, each in listed.items()},
        budget=_table(BudgetSettings, data.get("budget", {}), "budget"),
        gateway=_table(GatewaySettings, data.get("gateway", {}), "gateway"),
        layout=_table(LayoutSettings, data.get("layout", {}), "layout"),
        compress=_table(CompressSettings, data.get("compress", {}), "compress"),
        prune=_table(PruneSettings, data.get("prune", {}), "prune"),
    )


def _provider(name: str, given: Any) -> ProviderSettings:
    """What a file says of a provider; where it leaves a known one at its own address it need not say all."""
    known = KNOWN.get(name)
    if known is not None and is_object(given) and "base_url" not in given:
        given = {"dialect": known.dialect, "base_url": known.base_url, "key_env": known.key_env, **given}
    return _table(ProviderSettings, given, f"providers.{name}")


def _table(kind: type[T], given: Any, name: str = "") -> T:
    """The values of one table; without a name it is the top of the file. Raises `ConfigError` that names the table."""
    where = f"in [{name}]" if name else "at the top"
    for key in given if is_object(given) else ():
        if key not in kind.__struct_fields__:
            raise ConfigError(f"unknown key {key!r} {where}", mend=_meant(key, kind))
    try:
        return msgspec.convert(given, kind)
    except msgspec.ValidationError as error:
        told, _, key = str(error).partition(" - at `$")
        at = f"{key.rstrip('`').lstrip('.')} " if key else ""
        mend = "add it" if "missing" in told else "correct or remove that key"
        raise ConfigError(f"{at}{where}: {told}", mend=mend) from None


def _meant(key: str, kind: type[msgspec.Struct]) -> str:
    """The key that may have been meant, and all that there are."""
    import difflib

    near = difflib.get_close_matches(key, kind.__struct_fields__, n=1, cutoff=0.51)
    takes = f"it takes {', '.join(kind.__struct_fields__)}"
    if kind is Settings:
        below = [name for name, table in _TABLES.items() if key in table.__struct_fields__]
        if below:
            return f"it belongs below [{below[0].replace('providers', 'providers.NAME')}]"
    return f"{near[0]} may be meant; {takes}" if near else takes
