"""The one place that touches Hydra's private modules: its composition, without its main function.

Hydra's own entry point prints one fault and exits, creates run folders and writes logs. Its
composition is used as it is: defaults lists, packages, overrides of defaults, relative and
absolute groups mean what Hydra's documentation says.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from hydra import version
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import CachingConfigRepository
from hydra._internal.config_search_path_impl import ConfigSearchPathImpl
from hydra._internal.core_plugins.structured_config_source import StructuredConfigSource
from hydra._internal.defaults_list import DefaultsList, create_defaults_list
from hydra._internal.sources_registry import SourcesRegistry
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from hydra.plugins.config_source import ConfigLoadError, ConfigResult, ConfigSource
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from etude.by_path.reference import is_reference
from etude.by_path.reference import read as read_reference
from etude.by_path.slots import defaults_of
from etude.config import part_lists, shorts
from etude.config.as_typed import letters
from etude.config.installation import Installation
from etude.config.read_presets import derived_from
from etude.config.read_yaml import package_header, read_yaml
from etude.config.settings import PRESET_GROUPS
from etude.config.sharing import put

PRIMARY = "etude"

#: Every source under its own key, and nothing else: composed once, whatever is chosen.
SOURCE = "one-source/"

#: What composing can raise for a config that makes no sense.
COMPOSE_ERRORS = (HydraException, OmegaConfBaseException, ValueError)


class ChoiceSource(ConfigSource):
    """Gives Hydra an installation's choices, the primary config, and all sources at once."""

    installation: Installation

    @staticmethod
    def scheme() -> str:
        """Return the scheme of this source's paths."""
        return "etude"

    def load_config(self, config_path: str) -> ConfigResult:
        """Return the content of a choice; recipes lie at the root whatever their header says."""
        name = config_path.removesuffix(".yaml")
        if name.startswith(SOURCE):
            key = name.removeprefix(SOURCE)
            return self._result({"defaults": [{f"/sources@sources.{key}": key}]}, "_global_")
        if name == PRIMARY:
            return self._result(read_yaml(self.installation.primary), None)
        group, choice = self._split(name)
        if choice.startswith(part_lists.ENTRY):
            of = part_lists.chosen_by(choice)
            key = read_reference(of).attribute if is_reference(of) else self._component(group, of)
            return self._result(part_lists.content_of(group, of, key), None)
        if is_reference(choice):  # the defaults of its options are filled in later
            return self._result(self._by_path(group, part_lists.chosen_by(choice)), None)
        found = self.installation.choice(group, choice) if group else None
        if found is None:
            raise ConfigLoadError(f"Config not found : {config_path}")
        header = "_global_" if group == "recipe" else package_header(found.path)
        content = part_lists.with_entries(read_yaml(found.path), group, self._lists)
        if group in self._lists:
            content = part_lists.unwrapped(content, self._component(group, choice))
        content = shorts.written_out(content, group, self.installation.schema)
        if group in PRESET_GROUPS and "name" not in content and derived_from(content):
            content = {**content, "preset": choice}
        if isinstance(content.get("defaults"), list):
            # Hydra wants overrides last; where they stand makes no difference to what they mean.
            content["defaults"] = sorted(content["defaults"], key=_is_override)
        return self._result(content, header)

    def _by_path(self, group: str, name: str) -> dict[str, Any]:
        info = self.installation.schema.find(group, name)
        slots = [] if info is None else defaults_of(info.fields)
        return {**({"defaults": [*slots, "_self_"]} if slots else {}), "name": name}

    def _result(self, content: dict[str, Any], package: str | None) -> ConfigResult:
        return ConfigResult(
            provider=self.provider,
            path=self.full_path(),
            config=OmegaConf.create(content),
            header={"package": package},
        )

    @property
    def _lists(self) -> frozenset[str]:
        return self.installation.schema.lists

    def _component(self, group: str, choice: str) -> str:
        return self.installation.component_name(group, choice)

    def _split(self, path: str) -> tuple[str, str]:
        """Return the longest group that a path begins with, and the choice that is left."""
        parts = path.split("/")
        for length in range(len(parts) - 1, 0, -1):
            group = "/".join(parts[:length])
            if group in self.installation.groups:
                return group, "/".join(parts[length:])
        return "", path

    def available(self) -> bool:
        """Return True: a folder that is not there has no choices."""
        return True

    def is_group(self, config_path: str) -> bool:
        """Tell whether a path is a config group."""
        return config_path == "" or config_path in self.installation.groups

    def is_config(self, config_path: str) -> bool:
        """Tell whether a path is the primary config or a choice."""
        name = config_path.removesuffix(".yaml")
        group, choice = self._split(name)
        return (name == PRIMARY or name.startswith(SOURCE)) or (
            bool(group)
            and self.installation.choice(group, part_lists.chosen_by(choice)) is not None
        )

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        """Return the choices of a group (for globs)."""
        return sorted(self.installation.choices(config_path))


def _is_override(entry: Any) -> bool:
    return isinstance(entry, dict) and any(str(key).startswith("override ") for key in entry)


class FreshRepository(CachingConfigRepository):
    """Gives out a copy of a remembered file each time: merging writes into what it is given."""

    def load_config(self, config_path: str) -> ConfigResult | None:
        """Return a file's content, of which the caller may do what it likes."""
        found = self.delegate.load_config(config_path)
        if found is None:
            return None
        given = copy.copy(found)
        given.config = copy.deepcopy(found.config)
        return given


class Composer:
    """Hydra's composition over one installation."""

    def __init__(self, installation: Installation) -> None:
        version.setbase("1.3")
        self._installation = installation
        source = type("InstallationSource", (ChoiceSource,), {"installation": installation})
        registry = SourcesRegistry.instance()
        registry.types[ChoiceSource.scheme()] = source
        registry.register(StructuredConfigSource)
        path = ConfigSearchPathImpl()
        path.append("main", f"{ChoiceSource.scheme()}://{PRIMARY}")
        path.append("schema", "structured://")
        self._loader = ConfigLoaderImpl(path)
        self._repository = CachingConfigRepository(self._loader.repository)
        self._fresh = FreshRepository(self._repository)
        self._parser = OverridesParser.create(self._loader)

    def parse(self, text: str) -> Override:
        """Return one override of the command line; raises HydraException where it has none."""
        try:
            return self._parser.parse_overrides([text])[0]
        except RecursionError:
            raise HydraException("brackets within brackets, too deep to be meant") from None
        except ValueError:  # Python reads no whole number of more than 4,300 digits
            raise HydraException("a number of too many digits to be meant") from None

    def letters(self, override: Override) -> Any:
        """Return an override's value with numbers and truth values as text, as they were typed."""
        return letters(override, self._parser.functions)

    def defaults(self, overrides: Sequence[Override]) -> DefaultsList:
        """Return the files that group overrides choose, in the order they are merged."""
        return self._list(PRIMARY, overrides)

    def _list(self, primary: str, overrides: Sequence[Override]) -> DefaultsList:
        return create_defaults_list(
            repo=self._repository,
            config_name=primary,
            overrides_list=list(overrides),
            prepend_hydra=False,
            skip_missing=False,
        )

    def compose(self, listed: DefaultsList) -> dict[str, Any]:
        """Return the root of listed files laid over every source; interpolations are unresolved."""
        root = self._merge(listed)
        return {**root, **put(self._sources, "sources", root.get("sources", {}))}

    def _merge(self, listed: DefaultsList) -> dict[str, Any]:
        config = self._loader._compose_config_from_defaults_list(
            defaults=listed.defaults, repo=self._fresh
        )
        root = OmegaConf.to_container(config)
        return {str(key): value for key, value in root.items()} if isinstance(root, dict) else {}

    @cached_property
    def _sources(self) -> dict[str, Any]:
        """Return the root with every source and nothing else.

        No choice changes a source. Each is composed by itself: the time of a list of defaults, and
        of merging it, grows with the square of its length.
        """
        keys = self._installation.choices("sources")
        roots = [self._merge(self._list(f"{SOURCE}{key}", [])) for key in keys]
        return {"sources": {k: v for root in roots for k, v in root["sources"].items()}}
