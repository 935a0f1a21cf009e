"""Expression at cohort size: salmon output to a gene matrix, signature scores, intrinsic subtype; against peers.

    python bench/rna.py            # 400 samples against peers, 25/100/400 for growth
    python bench/rna.py --smoke    # few samples: equal results and ratios that don't collapse

Input is made from a seed: `quant.sf` as salmon prints it, names with versions, a tenth of transcripts silent. Many
samples are the same few files read again and again, so the disk holds little and all read from the page cache.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import measure
import numpy as np
import pandas as pd

DISTINCT_FILES = 5
SEED = 20_650


def write_input(folder: Path, n_transcripts: int, n_genes: int) -> tuple[list[Path], Path]:
    """(quant.sf files, tx2gene.csv)."""
    rng = np.random.default_rng(SEED)
    names = [f"ENST{i:011d}.{i % 9 + 1}" for i in range(n_transcripts)]
    gene = np.sort(np.concatenate([np.arange(n_genes), rng.integers(0, n_genes, n_transcripts - n_genes)]))
    length = rng.integers(200, 9000, n_transcripts)
    folder.joinpath("tx2gene.csv").write_text(
        "TXNAME,GENEID,gene_name\n" + "".join(f"{name},ENSG{g:011d}.{g % 7 + 1},S{g}\n" for name, g in zip(names, gene))
    )
    level = rng.lognormal(2, 2, n_transcripts)
    paths = []
    for sample in range(DISTINCT_FILES):
        effective = length - rng.uniform(100, 180)
        counts = rng.poisson(level * rng.lognormal(0, 0.5, n_transcripts)) * (rng.random(n_transcripts) > 0.1)
        counts = counts + np.where(counts > 0, rng.random(n_transcripts).round(3), 0)
        rate = counts / effective
        tpm = rate / rate.sum() * 1e6
        rows = "".join(
            f"{name}\t{size}\t{eff:.3f}\t{t:.6f}\t{c:.3f}\n"
            for name, size, eff, t, c in zip(names, length, effective, tpm, counts)
        )
        path = folder / f"s{sample}.sf"
        path.write_text("Name\tLength\tEffectiveLength\tTPM\tNumReads\n" + rows)
        paths.append(path)
    return paths, folder / "tx2gene.csv"


def fingerprint(genes: Any, counts: np.ndarray, tpm: np.ndarray) -> dict[str, Any]:
    """Small enough to hand back, and different when a sum went to another gene: totals and weighted totals."""
    order = np.argsort(np.asarray(genes, dtype=str))
    weights = np.arange(1, len(order) + 1) / len(order)
    return {"genes": len(order), "reads": counts[order].T @ weights, "tpm": tpm[order].T @ weights}


def ours_matrix(paths: list[Path], tx2gene: Path) -> dict[str, Any]:
    from palbo_assets.rnaseq.salmon_matrix import gene_matrix
    from palbo_assets.rnaseq.transcript_map import read_tx2gene

    found = gene_matrix(paths, read_tx2gene(tx2gene))
    assert found.general == 0, "a file needed the general reader"
    return fingerprint(found.gene_ids, found.counts, found.tpm)


def pandas_matrix(paths: list[Path], tx2gene: Path) -> dict[str, Any]:
    """tximport as one writes it in pandas: read, map, group, join."""
    gene_of = pd.read_csv(tx2gene).set_index("TXNAME")["GENEID"].str.replace(r"\.\d+$", "", regex=True)
    counts, tpm = [], []
    for path in paths:
        table = pd.read_csv(path, sep="\t")
        summed = table.assign(gene=table["Name"].map(gene_of)).groupby("gene")[["NumReads", "TPM"]].sum()
        counts.append(summed["NumReads"])
        tpm.append(summed["TPM"])
    joined = pd.concat(counts, axis=1)
    return fingerprint(joined.index, joined.to_numpy(), pd.concat(tpm, axis=1).to_numpy())


def polars_matrix(paths: list[Path], tx2gene: Path) -> dict[str, Any]:
    import polars as pl

    genes = pl.read_csv(tx2gene).with_columns(pl.col("GENEID").str.replace(r"\.\d+$", ""))
    frames = [
        pl.read_csv(path, separator="\t")
        .join(genes, left_on="Name", right_on="TXNAME")
        .group_by("GENEID")
        .agg(pl.col("NumReads").sum().alias(f"c{i}"), pl.col("TPM").sum().alias(f"t{i}"))
        .sort("GENEID")
        for i, path in enumerate(paths)
    ]
    counts = np.column_stack([frame[f"c{i}"].to_numpy() for i, frame in enumerate(frames)])
    tpm = np.column_stack([frame[f"t{i}"].to_numpy() for i, frame in enumerate(frames)])
    return fingerprint(frames[0]["GENEID"].to_numpy(), counts, tpm)


def expression_and_sets(n_genes: int, n_samples: int, n_sets: int) -> tuple[pd.DataFrame, dict[str, list[str]]]:
    """TPM without ties, genes x samples, and sets of 20 to 200 genes."""
    rng = np.random.default_rng(SEED)
    genes = [f"G{i:05d}" for i in range(n_genes)]
    values = rng.lognormal(1, 2, (n_genes, n_samples))
    sets = {
        f"SET{i:02d}": [genes[k] for k in rng.choice(n_genes, rng.integers(20, 200), replace=False)]
        for i in range(n_sets)
    }
    return pd.DataFrame(values, index=genes, columns=[f"s{i}" for i in range(n_samples)]), sets


def ours_scores(tpm: pd.DataFrame, sets: dict[str, list[str]]) -> np.ndarray:
    from palbo_assets.rnaseq.signature_scores import SetScorer

    scorer = SetScorer.of([tpm.index.get_indexer(members) for members in sets.values()], len(tpm))
    values = np.asfortranarray(tpm.to_numpy())
    return np.column_stack([scorer.scores(values[:, i]) for i in range(values.shape[1])])


def gseapy_scores(tpm: pd.DataFrame, sets: dict[str, list[str]]) -> np.ndarray:
    import gseapy

    found = gseapy.ssgsea(
        data=tpm, gene_sets=sets, outdir=None, no_plot=True, sample_norm_method="rank", min_size=1, max_size=5000,
        weight=0.25, threads=1, permutation_num=0, correl_norm_type="rank",
    )  # fmt: skip
    wide = found.res2d.pivot(index="Term", columns="Name", values="ES").astype(float)
    return wide.loc[list(sets), list(tpm.columns)].to_numpy()


def decoupler_scores(tpm: pd.DataFrame, sets: dict[str, list[str]]) -> np.ndarray:
    """Another statistic (ULM): cost only."""
    import decoupler

    net = pd.DataFrame([(name, gene, 1.0) for name, genes in sets.items() for gene in genes])
    net.columns = ["source", "target", "weight"]
    return np.asarray(decoupler.mt.ulm(tpm.T, net, tmin=1)[0].to_numpy().shape)


def pam50(n_samples: int) -> tuple[np.ndarray, pd.DataFrame, pd.Series]:
    rng = np.random.default_rng(SEED)
    genes = [f"P{i}" for i in range(50)]
    subtypes = ["LumA", "LumB", "Her2", "Basal", "Normal"]
    centroids = pd.DataFrame(rng.normal(size=(50, 5)), index=genes, columns=subtypes)
    medians = pd.Series(rng.normal(6, 2, 50), index=genes)
    return rng.normal(6, 2, (50, n_samples)), centroids, medians


def ours_subtypes(data: tuple[np.ndarray, pd.DataFrame, pd.Series]) -> list[str]:
    from palbo_assets.rnaseq.intrinsic_subtype import call_subtype

    values, centroids, medians = data
    return [call_subtype(pd.Series(x, index=centroids.index), centroids, medians).subtype for x in values.T]


def pandas_subtypes(data: tuple[np.ndarray, pd.DataFrame, pd.Series]) -> list[str]:
    values, centroids, medians = data
    frame = pd.DataFrame(values, index=centroids.index).sub(medians, axis=0)
    return [str(centroids.corrwith(frame[i], method="spearman").idxmax()) for i in frame]


def equal(a: dict[str, Any], b: dict[str, Any]) -> bool:
    return a["genes"] == b["genes"] and all(np.allclose(a[key], b[key], rtol=1e-9) for key in ("reads", "tpm"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="small input, lenient ratios, asserted")
    smoke = parser.parse_args().smoke
    samples, rounds = (20, 1) if smoke else (400, 1)
    transcripts, genes = (30_000, 10_000) if smoke else (200_000, 60_000)
    failures: list[str] = []

    def demand(what: str, held: bool) -> None:
        if not held:
            failures.append(what)

    with tempfile.TemporaryDirectory() as folder:
        files, tx2gene = write_input(Path(folder), transcripts, genes)
        paths = [files[i % len(files)] for i in range(samples)]
        megabytes = sum(path.stat().st_size for path in paths) / 1e6
        warm = partial(ours_matrix, files[:1], tx2gene)
        figures = measure.compare(
            [
                measure.Contestant("ours", partial(ours_matrix, paths, tx2gene), warm),
                measure.Contestant("pandas, read map groupby", partial(pandas_matrix, paths, tx2gene)),
                measure.Contestant(
                    "polars, read join group_by", partial(polars_matrix, paths, tx2gene), partial(__import__, "polars")
                ),
            ],
            rounds,
        )
        title = f"{samples} quant.sf of {transcripts:,} transcripts to {genes:,} genes x samples (with the map)"
        measure.show(title, figures, "ours", "MB", megabytes)
        for name in list(figures)[1:]:
            demand(f"{name}: equal matrices", equal(figures["ours"].result, figures[name].result))
        least = (3.0, 1.5) if smoke else (8.0, 4.0)
        for name, ratio in zip(list(figures)[1:], least):
            demand(f"{name}: at least {ratio}x", figures[name].cpu >= ratio * figures["ours"].cpu)
        sizes = [samples // 4, samples] if smoke else [25, 100, 400]
        seconds = []
        for size in sizes:
            many = [files[i % len(files)] for i in range(size)]
            run = measure.compare([measure.Contestant("ours", partial(ours_matrix, many, tx2gene), warm)], 1)["ours"]
            seconds.append(run.cpu)
            sys.stdout.write(f"ours, {size:4d} samples {run.cpu:9.3f} cpu s {run.peak_mb:7.0f} MB\n")
        sys.stdout.write(f"growth: size^{measure.growth(sizes, seconds):.2f} (the map is read once)\n")

    rounds = 3
    samples, n_genes = (20, 20_000) if smoke else (400, 20_000)
    tpm, sets = expression_and_sets(n_genes, samples, 50)
    few = tpm.iloc[:, :2]
    figures = measure.compare(
        [
            measure.Contestant("ours", partial(ours_scores, tpm, sets), partial(ours_scores, few, sets)),
            measure.Contestant(
                "gseapy.ssgsea, 1 thread", partial(gseapy_scores, tpm, sets), partial(gseapy_scores, few, sets)
            ),
            measure.Contestant(
                "decoupler.ulm (another statistic)", partial(decoupler_scores, tpm, sets),
                partial(decoupler_scores, few, sets),
            ),
        ],
        rounds,
    )  # fmt: skip
    measure.show(f"50 sets in {n_genes:,} genes x {samples} samples", figures, "ours", "samples", samples)
    own, theirs = figures["ours"].result, figures["gseapy.ssgsea, 1 thread"].result
    difference = float(np.max(np.abs(own - theirs)) / np.max(np.abs(theirs)))
    sys.stdout.write(f"largest difference from gseapy, of the largest score: {difference:.1e}\n")
    demand("gseapy: equal scores (1e-9)", difference <= 1e-9)
    ratio = figures["gseapy.ssgsea, 1 thread"].cpu / figures["ours"].cpu
    demand("gseapy: ratio", ratio >= (8 if smoke else 25))

    data = pam50(40 if smoke else 400)
    figures = measure.compare(
        [
            measure.Contestant("ours", partial(ours_subtypes, data), partial(ours_subtypes, pam50(1))),
            measure.Contestant("pandas corrwith", partial(pandas_subtypes, data), partial(pandas_subtypes, pam50(1))),
        ],
        rounds,
    )
    measure.show(f"intrinsic subtype of {data[0].shape[1]} samples", figures, "ours", "samples", data[0].shape[1])
    demand("pandas: equal calls", figures["ours"].result == figures["pandas corrwith"].result)
    if failures:
        raise SystemExit("failed: " + "; ".join(failures))


if __name__ == "__main__":
    main()
