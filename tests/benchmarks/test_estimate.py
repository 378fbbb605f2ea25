"""docs/scale.md is what the script gives."""

from paths import ROOT

from benchmarks.speed import estimate

DOCS = ROOT / "docs/scale.md"


def test_the_table_of_the_document_is_the_script_s():
    written = DOCS.read_text(encoding="utf-8").split("<!-- estimate -->\n")[1].split("\n<!-- end -->")[0]
    assert written == estimate.table(10**9, 10**8)


def test_sizes_by_hand():
    values = {line.split(" | ")[0].strip("| "): line.split(" | ")[2].strip("| ") for line in lines()}
    assert values["item table"] == "25.6 GB"  # 10^8 · 64 · 4
    assert values["with Adam's two moments"] == "76.8 GB"
    assert values["rows a step looks up"] == "3,968"  # 128 · 21 + 1,280
    assert values["gathered, and as much gradient"] == "1.0 MB each"  # 3,968 · 256
    assert values["histories"] == "88.0 GB"
    assert values["all users' interests, if kept"] == "1.0 TB"
    assert values["HNSW, 32 links"] == "51.2 GB"
    assert values["IVF-PQ32 with 8-bit copies"] == "10.4 GB"


def lines():
    return estimate.table(10**9, 10**8).splitlines()[2:]
