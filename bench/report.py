"""bench/results/*.json -> bench/RESULTS.md and two plots. Only what was measured is written."""

import json
import pathlib

RESULTS = pathlib.Path("bench/results")
OUT = pathlib.Path("bench/RESULTS.md")


def load(name):
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else None


def row(cells):
    return "| " + " | ".join(str(c) for c in cells) + " |"


def table(head, rows):
    return "\n".join([row(head), row(["---"] * len(head)), *map(row, rows), ""])


def number(value, digits=3):
    if value != value:  # not measured
        return "-"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.{digits}g}"


def ratio(best, other):
    return f"{other / best:.2f}x" if best else "-"


def search_part(lines):
    for cores in (1, 2, 4, 8, 16):
        part = load(f"search-{cores}")
        if not part:
            continue
        lines += [f"## Exact search, {cores} core{'s' if cores > 1 else ''}", ""]
        for r in part["results"]:
            lines.append(
                f"{r['data']}: {r['rows']:,} x {r['dim']} float32, top 10; measured read bandwidth {r['bandwidth_gb_s']:.1f} GB/s."
            )
            lines.append("")
            one, share, batch = r["one_query_ms"], r["one_query_bandwidth_share"], r["batch_100_qps"]
            lines.append(
                table(
                    ["", "one query, ms", "share of read bandwidth", "Quiver is faster by", "100 queries, q/s", "Quiver is faster by"],
                    [
                        [k, number(one[k]), f"{share[k] * 100:.0f} %", ratio(one["quiver"], one[k]), number(batch[k]), f"{batch['quiver'] / batch[k]:.2f}x"]
                        for k in one
                    ],
                )
            )
    single, all_ = load("search-1"), load("search-2")
    if single and all_:
        lines += ["Scaling from 1 to 2 cores:", ""]
        rows = []
        for a, b in zip(single["results"], all_["results"]):
            for k in a["one_query_ms"]:
                rows.append([a["data"], k, f"{a['one_query_ms'][k] / b['one_query_ms'][k]:.2f}x", f"{b['batch_100_qps'][k] / a['batch_100_qps'][k]:.2f}x"])
        lines.append(table(["data", "", "one query", "100 queries"], rows))


def storage_part(lines):
    part = load("storage")
    if not part:
        return
    lines += ["## Storage", "", f"{part['rows']:,} rows: 128-d float32 SIFT vectors, id, category, price, label; {part['arrow_bytes'] / 1e6:,.0f} MB as Arrow.", ""]
    create = part["create_rows_s"]
    lines.append(table(["create a table from Arrow", "M rows/s", "Quiver is faster by"], [[k, number(v / 1e6), f"{create['quiver'] / v:.2f}x"] for k, v in create.items()]))
    lines += ["Quiver's and the `+ fsync` rows are durable when the call returns; pylance and lancedb by themselves do not sync.", ""]
    sizes = part["bytes_on_disk"]
    lines.append(table(["bytes on disk", "MB", "of Parquet"], [[k, number(v / 1e6), f"{v / sizes['parquet']:.2f}x"] for k, v in sizes.items()]))
    lines.append(
        table(
            ["take, ms", *part["takes_ms"]["1000 rows, all"], "Quiver faster than pylance by"],
            [[k, *(number(v.get(p, float("nan"))) for p in part["takes_ms"]["1000 rows, all"]), f"{v['pylance'] / v['quiver']:.1f}x"] for k, v in part["takes_ms"].items()],
        )
    )
    scans = part["scans"]
    lines.append(table(["full scan to Arrow", "GB/s"], [[k, number(v)] for k, v in scans["full_gb_s"].items()]))
    lines.append(table(["two scalar columns", "M rows/s"], [[k, number(v)] for k, v in scans["two_scalars_mrows_s"].items()]))
    a = part["appends"]
    lines.append(
        table(
            ["append of 100 rows, ms", "median", "first 100", "last 100", "last / first"],
            [[k, number(a["median_ms"][k]), number(a["first_100_ms"][k]), number(a["last_100_ms"][k]), f"{a['last_100_ms'][k] / a['first_100_ms'][k]:.2f}"] for k in a["median_ms"]],
        )
    )
    lines += [f"One fsync of a fresh 4 KiB file took {a['one_fsync_ms']:.2f} ms (median) in the same run.", "", "![appends](results/appends.png)", ""]


def tables_part(lines):
    part = load("tables")
    if not part:
        return
    lines += ["## Conditions, changes, indexes", "", f"{part['rows']:,} rows as above; ms, best round. Changes are durable on both sides: Quiver's when the call returns, the files of lancedb are synced after it, within the time that is counted.", ""]
    for title, key in (("reads under a condition", "filtered_reads_ms"), ("one row by its id", "point_queries_ms"), ("changes", "changes_ms")):
        peers = list(dict.fromkeys(p for v in part[key].values() for p in v))
        rows = []
        for name, values in part[key].items():
            others = [p for p in peers if p != "quiver" and p in values]
            ratios = ", ".join(f"{values[p] / values['quiver']:.1f}x {p}" for p in others)
            rows.append([name, *(number(values.get(p, float("nan"))) for p in peers), ratios])
        lines.append(table([title, *peers, "Quiver is faster by"], rows))
    e = part["expressions_mrows_s"]
    lines.append(table(["expressions over 10x the rows, 1 thread, M rows/s", "quiver", "duckdb", ""], [[k, number(v["quiver"]), number(v["duckdb"]), f"{v['quiver'] / v['duckdb']:.2f}x"] for k, v in e.items()]))
    a = part["single_adds"]
    lines.append(
        table(
            ["adds of one row, ms", "adds", "median", "first 100", "at 1,000", "last 100", "last / first"],
            [[k, f"{v['adds']:,}", number(v["median_ms"]), number(v["first_100_ms"]), number(v["at_1000_ms"]), number(v["last_100_ms"]), f"{v['last_100_ms'] / v['first_100_ms']:.2f}"] for k, v in a.items()],
        )
    )


def ann_part(lines):
    for name in ("sift", "hog", "text"):
        for cores in (1, 2, 4, 8, 16):
            part = load(f"ann-{name}-{cores}")
            if not part:
                continue
            lines += [f"## Vector indexes: {name}, {cores} core{'s' if cores > 1 else ''}", ""]
            lines += [f"{part['rows']:,} x {part['dim']} float32, {part['metric']}; single queries, 10 rows; queries per second of the fastest setting that reaches the recall.", ""]
            rows = []
            for who, entry in part["contestants"].items():
                build, qps, in_c = entry["build"], entry["qps"], entry.get("qps_c", {})
                cells = [number(v) + (f" ({number(in_c[r])})" if in_c.get(r) else "") if v else "-" for r, v in qps.items()]
                rows.append([who, *cells, number(build["cpu_s"]), number(build["bytes"] / 1e6)])
            recalls = list(next(iter(part["contestants"].values()))["qps"])
            lines.append(table(["q/s at a recall of", *recalls, "build, CPU s", "index, MB"], rows))
            best = {r: max(((e["qps"][r] or 0, w) for w, e in part["contestants"].items() if not w.startswith("quiver")), default=(0, "")) for r in recalls}
            mine = {r: max(((e["qps"][r] or 0, w) for w, e in part["contestants"].items() if w.startswith("quiver")), default=(0, "")) for r in recalls}
            lines += ["; ".join(f"{r}: {mine[r][1]} {mine[r][0] / best[r][0]:.2f}x of {best[r][1]}" for r in recalls if best[r][0] and mine[r][0]) + ".", ""]
            lines += ["Quiver is measured through Python's `search(q).limit(10).to_list()` (in brackets: the same setting through C), the libraries through their Python calls.", "", f"![{name}](results/ann-{name}-{cores}.png)", ""]


def work_part(lines):
    part = load("ann-work")
    if not part:
        return
    lines += ["## Around a vector search", "", f"{part['rows']:,} x 128 float32, 1 core unless said, through Python; the fastest setting that reaches a recall of 0.95, and how many of 10 rows it finds.", ""]
    cases = part["filtered"]
    rows = []
    for who in next(iter(cases.values())):
        found = [case[who] for case in cases.values()]
        rows.append([who, *(f"{number(v['qps']) if v['qps'] else '-'} ({v['rows']:.1f})" for v in found)])
    lines.append(table(["q/s under a condition that leaves", *cases], rows))
    b, c, f, m = part["batch_qps"], part["clients_qps"], part["fresh"], part["little_memory"]
    rows = [["1,000 queries one by one, q/s", number(b["singles"]), ""], ["1,000 queries in one call, q/s", number(b["batch"]), ""]]
    rows += [[f"{n} client{'s' if n != '1' else ''} of one process, all cores, q/s", number(c["quiver"][n]), number(c["lancedb"][n])] for n in c["quiver"]]
    for key, title in (("whole_ms", "fresh process to first answer, ms"), ("after_import_ms", "of which after the import, ms"), ("peak_mb", "its peak, MB")):
        rows.append([title, number(f["quiver"][key]), number(f["lancedb"][key])])
    lines.append(table(["", "quiver", "lancedb"], rows))
    rows = [[name, number(v["qps"]), f"{v['recall']:.3f}", number(v["own_mb"])] if "qps" in v else [name, v["not_measured"], "", ""] for name, v in m.items() if isinstance(v, dict)]
    lines.append(table([f"memory of the process, {m['rows']:,} x {m['dim']}", "q/s", "recall", "own memory, MB"], rows))


def ann_plot(plt, name):
    part = load(name)
    if not part:
        return
    plt.figure(figsize=(7, 5))
    for who, entry in part["contestants"].items():
        points = sorted((p["recall"], 1 / p["seconds"]) for p in entry["curve"] if p["recall"] > 0.6)
        plt.plot([r for r, _ in points], [q for _, q in points], marker=".", label=who, linewidth=2 if who.startswith("quiver") else 1)
    plt.xlabel("recall of 10 rows"), plt.ylabel("queries per second"), plt.yscale("log"), plt.legend(fontsize=6), plt.tight_layout()
    plt.savefig(RESULTS / f"{name}.png", dpi=110)
    plt.close()


def process_part(lines):
    part = load("process")
    if not part:
        return
    lines += ["## A fresh process, and small work", ""]
    rows = [["import, ms", *(number(part["import_ms"].get(k, float("nan"))) for k in ("quiver", "lancedb"))]]
    rows.append(["start to first answer on 1,000 rows, ms", *(number(part["first_answer_ms"][k]) for k in ("quiver", "lancedb"))])
    rows.append(["resident after that, MB", *(number(part["resident_mb"][k]) for k in ("quiver", "lancedb"))])
    rows.append(["one search on 10 rows, to_list(), us", *(number(part["small_search_us"][k]) for k in ("quiver", "lancedb"))])
    lines.append(table(["", "quiver", "lancedb"], rows))
    if "wheel_mb" in part:
        lines += [f"The wheel has {part['wheel_mb']:.1f} MB.", ""]
    i = part["ingest_3gb"]
    lines += [f"Ingest of 3 GB (1,000,000 x 768 float32) from an iterator, one version: peak {i['peak_mb']:.0f} MB resident, of which {i['before_mb']:.0f} MB before it began; {i['seconds']:.0f} s.", ""]


def plots():
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    part = load("storage")
    if part:
        plt.figure(figsize=(7, 3.5))
        for name, series in part["appends"]["series"].items():
            plt.plot([10 * i for i in range(len(series))], series, label=name, linewidth=0.8)
        plt.xlabel("version"), plt.ylabel("ms per append of 100 rows"), plt.ylim(bottom=0), plt.legend(), plt.tight_layout()
        plt.savefig(RESULTS / "appends.png", dpi=110)
    part = load("search-1")
    if part:
        r = part["results"][0]
        plt.figure(figsize=(7, 3))
        names = list(r["batch_100_qps"])
        plt.barh(names[::-1], [r["batch_100_qps"][n] for n in names[::-1]])
        plt.xlabel(f"queries per second, 100 at once, {r['rows']:,} x {r['dim']}, 1 core"), plt.tight_layout()
        plt.savefig(RESULTS / "batch.png", dpi=110)
    for path in RESULTS.glob("ann-*-*.json"):
        ann_plot(plt, path.stem)


def main():
    parts = [p for p in map(load, ("search-1", "search-2", "storage", "tables", "process")) if p]
    machine = parts[0]["machine"]
    lines = [
        "# Measured results",
        "",
        f"{machine['cpu']}, {machine['cores']} cores, {machine['compiler']}, {machine['system']}, Python {machine['python']}; {parts[0]['date']}.",
        "Made by `make bench`: contestants take turns in one process, pinned, and each one's best round counts. Read the ratios;",
        "absolute times belong to this machine. Data: SIFT descriptors and histograms of gradients from photographs",
        "(Debian's mate-backgrounds and gnome-backgrounds), see [data.py](data.py).",
        "",
    ]
    search_part(lines)
    if load("search-1"):
        lines += ["![batch](results/batch.png)", ""]
    storage_part(lines)
    tables_part(lines)
    ann_part(lines)
    work_part(lines)
    process_part(lines)
    notes = pathlib.Path("bench/notes.md")
    if notes.exists():
        lines += [notes.read_text().strip(), ""]
    OUT.write_text("\n".join(lines))
    plots()


main()
