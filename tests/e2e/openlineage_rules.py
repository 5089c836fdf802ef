"""What OpenLineage 2-0-2 asks of a run event and of the facets that mlforge uses, and a check of values against JSON
schemas: as much of the language as these schemas need, and an error for everything else."""
import datetime
import re
import urllib.parse

UUID = re.compile(r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
TEXT, WHOLE, FLAG = {"type": "string"}, {"type": "integer"}, {"type": "boolean"}
URI, TIME, ID = ({"type": "string", "format": name} for name in ("uri", "date-time", "uuid"))
BASE = {"type": "object", "properties": {"_producer": URI, "_schemaURL": URI}, "required": ["_producer", "_schemaURL"]}


def facet(required, **others):
    return {"allOf": [BASE, {"type": "object", "properties": {**required, **others}, "required": list(required)}]}


def record(required, **others):
    return {"type": "object", "properties": {**required, **others}, "required": list(required)}


def dataset(more):
    facets = {"type": "object", "additionalProperties": BASE}
    return record({"namespace": TEXT, "name": TEXT}, **{"facets": facets, more: facets})


FACETS = {  # key: (name in the specification, its schema)
    "version": ("DatasetVersionDatasetFacet", facet({"datasetVersion": TEXT})),
    "schema": ("SchemaDatasetFacet", facet({}, fields={"type": "array", "items": record({"name": TEXT}, type=TEXT)})),
    "parent": ("ParentRunFacet", facet({"run": record({"runId": ID}), "job": record({"namespace": TEXT, "name": TEXT})})),
    "errorMessage": ("ErrorMessageRunFacet", facet({"message": TEXT, "programmingLanguage": TEXT}, stackTrace=TEXT)),
    "jobType": ("JobTypeJobFacet", facet({"processingType": TEXT, "integration": TEXT}, jobType=TEXT)),
    "dataQualityAssertions": ("DataQualityAssertionsDatasetFacet", facet({"assertions": {
        "type": "array", "items": record({"assertion": TEXT, "success": FLAG}, column=TEXT)}})),
    "dataQualityMetrics": ("DataQualityMetricsInputDatasetFacet", facet(
        {"columnMetrics": {"type": "object"}}, rowCount=WHOLE, bytes=WHOLE)),
}
RUN_EVENT = record(
    {"eventTime": TIME, "producer": URI, "schemaURL": URI,
     "run": record({"runId": ID}, facets={"type": "object", "additionalProperties": BASE}),
     "job": record({"namespace": TEXT, "name": TEXT}, facets={"type": "object", "additionalProperties": BASE})},
    eventType={"enum": ["START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"]},
    inputs={"type": "array", "items": dataset("inputFacets")},
    outputs={"type": "array", "items": dataset("outputFacets")})
SPEC = "https://openlineage.io/spec/"
# The base of each kind of facets, that schemas of others' facets refer to.
KNOWN = {f"{SPEC}2-0-2/OpenLineage.json#/$defs/{kind}Facet": BASE
         for kind in ("Run", "Job", "Dataset", "InputDataset", "OutputDataset")}
TYPES = {"object": dict, "array": list, "string": str, "boolean": bool}
WORDS = {"$schema", "$defs", "title", "description"}


def is_time(text):
    return "T" in text and datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).tzinfo is not None


def is_uri(text):
    return bool(urllib.parse.urlsplit(text).scheme) and " " not in text


FORMATS = {"uuid": UUID.match, "date-time": is_time, "uri": is_uri}


def is_of_type(name, value):
    if name == "number":
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if name == "integer":
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, TYPES[name])


def faults(value, schema, root, at=""):
    """What is wrong with a value, each as a sentence; `root`: the document that local references are into."""
    found = []
    if "$ref" in schema:
        target = schema["$ref"]
        if target in KNOWN:
            found += faults(value, KNOWN[target], root, at)
        else:
            assert target.startswith("#/$defs/"), target
            found += faults(value, root["$defs"][target[len("#/$defs/"):]], root, at)
    for each in schema.get("allOf", []):
        found += faults(value, each, root, at)
    if "anyOf" in schema and all(faults(value, each, root, at) for each in schema["anyOf"]):
        found.append(f"{at} is none of what it may be: {value!r}")
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{at} is {value!r}, none of {schema['enum']}")
    if "type" in schema and not is_of_type(schema["type"], value):
        return found + [f"{at} is no {schema['type']}: {value!r}"]
    if "format" in schema and not FORMATS[schema["format"]](value):
        found.append(f"{at} is no {schema['format']}: {value!r}")
    if "minimum" in schema and value < schema["minimum"]:
        found.append(f"{at} is below {schema['minimum']}: {value!r}")
    properties = schema.get("properties", {})
    for name in schema.get("required", []):
        if name not in value:
            found.append(f"{at} lacks {name}")
    for name, each in value.items() if isinstance(value, dict) else ():
        more = properties.get(name, schema.get("additionalProperties"))
        if more is not None:
            found += faults(each, more, root, f"{at}.{name}")
    for i, each in enumerate(value if "items" in schema else ()):
        found += faults(each, schema["items"], root, f"{at}[{i}]")
    unknown = set(schema) - WORDS - {"$ref", "allOf", "anyOf", "enum", "type", "format", "minimum", "properties",
                                     "required", "additionalProperties", "items"}
    assert not unknown, f"{unknown} is not understood here"
    return found


def facets_of(event):
    """(key, facet) of everything in a run event."""
    places = [event["run"].get("facets", {}), event["job"].get("facets", {})]
    for each in event.get("inputs", []) + event.get("outputs", []):
        places += [each.get("facets", {}), each.get("inputFacets", {}), each.get("outputFacets", {})]
    return [item for place in places for item in place.items()]


def described(schema):
    """The members that a facet's schema names, its own and the base's."""
    return {"_producer", "_schemaURL"}.union(*(each.get("properties", {}) for each in schema.get("allOf", [])))


def check_event(event, fetch):
    """All that is wrong with a run event; `fetch`: what stands at a URL without its fragment, as JSON."""
    found = faults(event, RUN_EVENT, RUN_EVENT, "event")
    for key, each in facets_of(event):
        where, _, pointer = each.get("_schemaURL", "").partition("#")
        name = pointer[len("/$defs/"):]
        if key in FACETS:
            title, schema = FACETS[key]
            if name != title or not re.fullmatch(rf"{SPEC}facets/\d+-\d+-\d+/{title}\.json", where):
                found.append(f"{key} has the schema {each.get('_schemaURL')}")
            found += faults(each, schema, schema, key)
            continue
        if not key.startswith("mlforge_"):
            found.append(f"{key} is neither a standard facet nor one of ours")
            continue
        document = fetch(where)
        schema = document["$defs"].get(name)
        if schema is None or document["properties"].get(key) != {"$ref": "#" + pointer}:
            found.append(f"{key} has the schema {name}, which {where} does not have for it")
            continue
        found += faults(each, schema, document, key)
        found += [f"{key}.{member} is not described" for member in sorted(set(each) - described(schema))]
    return found
