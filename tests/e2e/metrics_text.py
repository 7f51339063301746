"""A strict reader of the Prometheus text format, version 0.0.4
(https://prometheus.io/docs/instrumenting/exposition_formats)."""

import re

SAMPLE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\["\\n])*",?)*)\})? (\S+)')
LABEL = re.compile(r'([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"')
SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("",), "gauge": ("",)}

# lictord has them when its database is a server of its own.
OF_A_DATABASE_ELSEWHERE = {"lictor_feed_age_seconds", "lictor_database_up"}


def parse_metrics(text):
    """{(name, labels): value} of the Prometheus text format 0.0.4, strictly: each sample belongs to the family whose
    TYPE was told last, no family or series comes twice, buckets rise and end with +Inf."""
    assert text.endswith("\n")
    samples, types, helped, family = {}, {}, set(), None
    for line in text.splitlines():
        if line.startswith("# HELP "):
            name = line.split(" ", 3)[2]
            assert name not in helped, line
            helped.add(name)
        elif line.startswith("# TYPE "):
            _, _, family, kind = line.split(" ")
            assert family not in types and kind in SUFFIXES, line
            types[family] = kind
        else:
            match = SAMPLE.fullmatch(line)
            assert match, f"no sample: {line!r}"
            assert match[1] in [family + suffix for suffix in SUFFIXES[types[family]]], line
            series = (match[1], tuple(sorted(LABEL.findall(match[2] or ""))))
            assert series not in samples, f"twice: {line}"
            samples[series] = float(match[3])
    assert helped == set(types)
    check_histograms(samples, [name for name, kind in types.items() if kind == "histogram"])
    return samples


def check_histograms(samples, names):
    for name in names:
        series = {}
        for (sample, labels), value in samples.items():
            if sample == f"{name}_bucket":
                bound = float(dict(labels)["le"])
                series.setdefault(tuple(label for label in labels if label[0] != "le"), []).append((bound, value))
        for labels, buckets in series.items():
            values = [value for _, value in sorted(buckets)]
            assert values == sorted(values), f"{name}{labels} falls"
            assert max(buckets)[0] == float("inf") and values[-1] == samples[f"{name}_count", labels]
