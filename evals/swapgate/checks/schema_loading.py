"""Loads JSON Schemas and compiles them: local `$ref`s only, every mistake found at load."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit
from urllib.request import url2pathname

from swapgate.checks.json_reading import read_json
from swapgate.checks.jsonschema_import import import_jsonschema
from swapgate.checks.options import Folders, OptionError
from swapgate.checks.schema_findings import violations
from swapgate.checks.schema_shortcut import Accepts, shortcut
from swapgate.checks.wording import MISSING, quoted, resolve
from swapgate.errors import UsageError, nearest_file
from swapgate.records import Finding, Json, content_hash
from swapgate.spec.pointers import pointer_parts
from swapgate.spec.source import read_text, read_yaml
from swapgate.values import Value

if TYPE_CHECKING:
    from jsonschema.protocols import Validator
    from referencing import Registry, Resource
    from referencing._core import Resolver

_REFERENCES: Final = ("$ref", "$dynamicRef", "$recursiveRef")


class LoadedSchema(Value, dict=True):
    """A schema ready for use; `is_self_contained` says that it refers to no other file.

    `source` is its file as written, empty for one that stands in the suite; `content_hash` is that of the
    schema with all that it refers to. `accepts` knows right values at once, where the schema is plain; until
    it meets another one, jsonschema is not needed and `make_validator` not called.
    """

    make_validator: Callable[[], Validator]
    contents: Json
    is_self_contained: bool
    source: str
    content_hash: str
    accepts: Accepts | None = None

    @cached_property
    def validator(self) -> Validator:
        """jsonschema's."""
        return self.make_validator()

    def violations(self, value: Any, *, prefix: Sequence[str | int] = ()) -> list[Finding]:
        """Return what of a value breaks the schema; see `schema_findings.violations`."""
        if self.accepts is not None and self.accepts(value):
            return []
        return violations(self.validator, value, prefix=prefix)


def load_schema(schema: Json, folders: Folders) -> LoadedSchema:
    """Return an inline schema, or, given text, the schema of the file at that path.

    A path counts from the suite file's folder, or else from the workspace root; a relative `$ref` from the
    file that it stands in. Raises OptionError, which names the file and the place in the schema.
    """
    if not isinstance(schema, str):
        return _loaded(schema, folders.base.resolve() / "inline", "the schema")
    path = _find_file(schema, folders)
    stat = path.stat()
    return _loaded_file(path, schema, stat.st_mtime_ns, stat.st_size)


def _find_file(written: str, folders: Folders) -> Path:
    if written.lstrip().startswith("{"):
        raise OptionError("the schema is written as text: write it as a mapping, without quotes")
    places = [folder.resolve() / written for folder in dict.fromkeys((folders.base, folders.root))]
    for path in places:
        if path.is_file():
            return path.resolve()
    beside = [p.name for place in places if place.parent.is_dir() for p in place.parent.iterdir()]
    looked = " or ".join(str(place.parent) for place in dict.fromkeys(places))
    raise OptionError(f"no file {written!r} in {looked}.{nearest_file(Path(written).name, beside)}")


@lru_cache(maxsize=256)
def _loaded_file(path: Path, shown: str, mtime_ns: int, size: int) -> LoadedSchema:
    return _loaded(_read_file(path, shown), path, shown, source=shown)


def _loaded(schema: Any, path: Path, shown: str, *, source: str = "") -> LoadedSchema:
    uri = path.as_uri()
    accepts = shortcut(schema)
    if accepts is not None:  # a right schema, which refers to nothing
        return LoadedSchema(
            make_validator=partial(_plain_validator, uri, schema),
            contents=schema,
            is_self_contained=True,
            source=source,
            content_hash=content_hash([schema]),
            accepts=accepts,
        )
    import_jsonschema()
    files = _with_references(uri, _resource(schema, shown), shown)
    loaded = LoadedSchema(
        make_validator=partial(_validator, uri, files),
        contents=schema,
        is_self_contained=len(files) == 1,
        source=source,
        content_hash=content_hash([files[uri].contents for uri in sorted(files)]),
    )
    try:
        loaded.validator.is_valid(None)
    except RecursionError as exc:
        raise OptionError(f"{shown} refers to itself without end") from exc
    return loaded


def _plain_validator(uri: str, schema: Any) -> Validator:
    import_jsonschema()
    return _validator(uri, {uri: _resource(schema, uri)})


def _validator(uri: str, files: Mapping[str, Resource[Any]]) -> Validator:
    from jsonschema.validators import Draft202012Validator, validator_for
    from referencing.jsonschema import EMPTY_REGISTRY

    cls: Any = validator_for(files[uri].contents, default=Draft202012Validator)
    registry = EMPTY_REGISTRY.with_resources(files.items()).crawl()
    # A reference to the file, so that relative references count from it whatever its $id says.
    validator: Validator = cls({"$ref": uri}, registry=registry, format_checker=cls.FORMAT_CHECKER)
    return validator


def _read_file(path: Path, shown: str) -> Any:
    """Return the contents of a .json, .yml or .yaml file as plain JSON values."""
    try:
        if path.suffix.lower() in (".yml", ".yaml"):
            return _text_keys(read_yaml(path).data)
        text = read_text(path)
    except UsageError as exc:
        raise OptionError(str(exc)) from exc
    reading = read_json(text)
    if reading.kind != "bare":
        where = f":{reading.line}:{reading.column}" if reading.line else ""
        raise OptionError(f"{shown}{where}: no JSON: {reading.problem or reading.kind}")
    return reading.value


def _text_keys(value: Any) -> Any:
    """Return a YAML value with keys as JSON has them."""
    if isinstance(value, dict):
        return {str(key): _text_keys(item) for key, item in value.items()}
    return [_text_keys(item) for item in value] if isinstance(value, list) else value


def _resource(schema: Any, shown: str) -> Resource[Any]:
    """Return the schema as a resource of its draft, or raise OptionError where it is no schema."""
    from jsonschema.validators import Draft202012Validator, validator_for
    from referencing import Resource
    from referencing.jsonschema import DRAFT202012

    if not isinstance(schema, dict | bool):
        raise OptionError(f"{shown} is no JSON Schema: wanted a mapping, got {quoted(schema)}")
    draft = resolve(schema, "/$schema")
    unknown: Any = None
    cls: Any = validator_for(schema, default=Draft202012Validator if draft is MISSING else unknown)
    if cls is None:
        raise OptionError(f"{shown}: unknown $schema {quoted(draft)}", "$schema")
    for fault in violations(cls(cls.META_SCHEMA, format_checker=cls.FORMAT_CHECKER), schema):
        raise OptionError(f"{shown} is no JSON Schema: {fault.message}", *pointer_parts(fault.pointer))
    return Resource.from_contents(schema, default_specification=DRAFT202012)


def _with_references(uri: str, resource: Resource[Any], shown: str) -> dict[str, Resource[Any]]:
    """Return the schema and everything outside it that it refers to, by their URIs."""
    from jsonschema_specifications import REGISTRY  # type: ignore[import-untyped]
    from referencing import Registry

    files = {uri: resource}

    def retrieve(target: str) -> Resource[Any]:
        if target not in files:
            files[target] = REGISTRY.get(target) or _local_resource(target)
        return files[target]

    registry: Registry[Any] = Registry(retrieve=retrieve)  # type: ignore[call-arg]
    _follow(resource, registry.with_resource(uri, resource).resolver(uri), shown)
    return files


def _local_resource(uri: str) -> Resource[Any]:
    parts = urlsplit(uri)
    if parts.scheme != "file":
        raise OptionError(f"{uri} is not a local file, and nothing is fetched. Save it beside the schema.")
    path = Path(url2pathname(parts.path))
    if not path.is_file():
        raise OptionError(f"there is no file {path}.")
    return _resource(_read_file(path, path.name), path.name)


def _follow(resource: Resource[Any], resolver: Resolver[Any], shown: str) -> None:
    """Look up every reference that can be reached; raise OptionError for the first that leads nowhere."""
    from referencing import Resource
    from referencing.jsonschema import DRAFT202012

    pending, seen = [(resource, resolver)], set()
    while pending:
        schema, at = pending.pop()
        if not isinstance(schema.contents, dict) or id(schema.contents) in seen:
            continue
        seen.add(id(schema.contents))
        pending += [(sub, at.in_subresource(sub)) for sub in schema.subresources()]
        for reference in _references(schema.contents):
            resolved = _looked_up(reference, at, shown)
            target = Resource.from_contents(resolved.contents, default_specification=DRAFT202012)
            pending.append((target, resolved.resolver))


def _references(schema: dict[str, Any]) -> Iterator[str]:
    for keyword in _REFERENCES:
        if isinstance(schema.get(keyword), str):
            yield schema[keyword]


def _looked_up(reference: str, resolver: Resolver[Any], shown: str) -> Any:
    from referencing.exceptions import Unresolvable

    try:
        return resolver.lookup(reference)
    except (Unresolvable, ValueError) as exc:
        # referencing wraps what the retrieval raised twice.
        cause = exc.__cause__.__cause__ if exc.__cause__ else None
        reason = f"{cause}" if isinstance(cause, OptionError) else "it leads nowhere."
        raise OptionError(f"{shown}: the $ref {reference!r} cannot be resolved: {reason}") from exc
