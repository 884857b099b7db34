"""Alerts and dashboard ask for metrics that exist; every alert leads to its heading in the runbook, and back."""

import json
import re
import shlex
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from mirror import metrics
from tests.docs.pages import DOCS, ROOT, sections
from tests.mirror.health.rig import NOW, whole_page

PAGE = (DOCS / "ops.md").read_text()
RULES = ROOT / "deploy/prometheus/alerts.yml"
DASHBOARD = ROOT / "deploy/grafana/spot-mirror.json"
RUNBOOK = {one.title: one.text for one in sections((DOCS / "runbook.md").read_text())}
OF_PROMETHEUS = {"instance", "job"}
"""Labels that the scrape adds."""


class Asked(NamedTuple):
    """A metric in an expression, with what is asked of each of its labels."""

    name: str
    matchers: list[tuple[str, str, str]]


def alerts() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(RULES.read_text())["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_bytes())["panels"]
    return found


def queries() -> list[str]:
    return [target["expr"] for panel in panels() for target in panel.get("targets", [])]


@cache
def there() -> dict[str, dict[str, set[str]]]:
    """Every metric that a mirror or its check shows, each with the values of its labels."""
    found_by_it = metrics.of_check(dict.fromkeys(("ok", "advice", "warning", "problem"), 0), NOW)
    check = metrics.exposition([*found_by_it, *metrics.of_licences({"in-force": 1, "ending": 0}, NOW)])
    found: dict[str, dict[str, set[str]]] = {}
    for raw in (whole_page(), check):
        for family in text_string_to_metric_families(raw.decode()):
            for sample in family.samples:
                labels = found.setdefault(sample.name, {})
                for label, value in sample.labels.items():
                    labels.setdefault(label, set()).add(value)
    return found


def asked(expression: str) -> Iterator[Asked]:
    for name, _, inside in re.findall(r"\b(spot_mirror_\w+)(\{([^}]*)\})?", expression):
        yield Asked(name, re.findall(r'(\w+)(=~|!~|!=|=)"([^"]*)"', inside))


def labels_of(expression: str) -> set[str]:
    """All labels that the result of an expression may have."""
    grouped = re.findall(r"\bby\s*\(([^)]*)\)", expression)
    if grouped:
        return {label.strip() for group in grouped for label in group.split(",")}
    return {label for one in asked(expression) for label in there()[one.name]} | OF_PROMETHEUS


@pytest.mark.parametrize("expression", [*(rule["expr"] for rule in alerts()), *queries()])
def test_what_is_asked_for_exists(expression: str) -> None:
    found = [*asked(expression)]
    assert found or expression == 'up{job="spot-mirror"} == 0'
    for name, matchers in found:
        assert name in there(), name
        for label, how, value in matchers:
            if label in OF_PROMETHEUS:
                continue
            known = there()[name][label]
            wanted = re.compile(value if "~" in how else re.escape(value))
            assert any(wanted.fullmatch(one) for one in known), (name, label, value)
    grouped = {label.strip() for group in re.findall(r"\bby\s*\(([^)]*)\)", expression) for label in group.split(",")}
    assert grouped <= {label for one in found for label in there()[one.name]} | OF_PROMETHEUS


def test_every_metric_is_shown_on_the_dashboard() -> None:
    shown = {one.name for query in queries() for one in asked(query)}
    assert {name for name in there() if not name.endswith("_created")} <= shown


def test_every_alert_has_its_heading_and_every_heading_its_alert() -> None:
    names = [rule["alert"] for rule in alerts()]
    assert len(set(names)) == len(names)
    assert {title for title in RUNBOOK if title.startswith("SpotMirror")} == set(names)


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: str(rule["alert"]))
def test_an_alert_says_how_bad_it_is_and_leads_to_what_to_do(rule: dict[str, Any]) -> None:
    name, notes = rule["alert"], rule["annotations"]
    assert notes["runbook_url"] == f"docs/runbook.md#{name.lower()}"
    severity = rule["labels"]["severity"]
    assert RUNBOOK[name].strip().startswith(f"**{severity.capitalize()}.**")
    assert set(re.findall(r"\$labels\.(\w+)", notes["summary"])) <= labels_of(rule["expr"])
    assert notes["summary"].endswith(".")


def test_the_page_for_ops_puts_an_address_before_every_runbook() -> None:
    (command,) = re.findall(r"^(sed 's,runbook_url: .*') deploy/prometheus/alerts.yml", PAGE, re.MULTILINE)
    edited = subprocess.run(shlex.split(command), input=RULES.read_text(), capture_output=True, text=True, check=True)
    urls = [rule["annotations"]["runbook_url"] for rule in yaml.safe_load(edited.stdout)["groups"][0]["rules"]]
    assert urls == [f"https://wiki.example.com/spot-mirror/{rule['annotations']['runbook_url']}" for rule in alerts()]


def test_every_link_of_the_runbook_leads_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]*)(?:#([^)]*))?\)", (DOCS / "runbook.md").read_text())
    assert links
    for path, anchor in links:
        page = DOCS / (path or "runbook.md")
        assert page.is_file(), path
        if anchor:
            titles = [re.sub(r"[^\w -]", "", one.title.lower()) for one in sections(page.read_text())]
            assert anchor in {title.replace(" ", "-") for title in titles}, (path, anchor)


def test_the_panels_are_told_apart_and_none_covers_another() -> None:
    ids = [panel["id"] for panel in panels()]
    assert len(set(ids)) == len(ids)
    cells = Counter(
        (column, line)
        for at in (panel["gridPos"] for panel in panels())
        for column in range(at["x"], at["x"] + at["w"])
        for line in range(at["y"], at["y"] + at["h"])
    )
    assert set(cells.values()) == {1}
    assert max(column for column, _ in cells) == 23


@pytest.mark.parametrize("panel", [one for one in panels() if "targets" in one], ids=lambda panel: str(panel["title"]))
def test_a_panel_names_its_lines_by_labels_that_they_have(panel: dict[str, Any]) -> None:
    assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
    for target in panel["targets"]:
        assert target["datasource"]["uid"] == "${datasource}"
        named = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
        assert named <= labels_of(target["expr"])


def test_prometheus_understands_the_rules_and_they_tell_ill_from_well() -> None:
    """promtool comes with Debian's `prometheus`, 100 MB and a service: too much to install for a test."""
    if shutil.which("promtool") is None:
        pytest.skip("needs promtool")
    for command in (["check", "rules", str(RULES)], ["test", "rules", str(ROOT / "tests/docs/alerts_test.yml")]):
        done = subprocess.run(["promtool", *command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
