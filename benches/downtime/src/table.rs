//! What was measured, as a table in Markdown, and what it says about the targets.

use std::{
    fmt::{self, Display, Formatter},
    time::Duration,
};

use crate::measure::Written;

/// The targets of the second night.
const MEDIAN_TIMES_BARE: f64 = 1.2;
const SECONDS_ABOVE_BARE: f64 = 0.5;
const PEAK_MIB: f64 = 150.0;

const OURS: &str = "docker-backup";
const RESTIC: &str = "restic, per stack";

/// One night that was measured.
#[derive(Debug, Clone)]
pub(crate) struct Night {
    /// Of each service, in the same order always.
    pub(crate) down: Vec<Duration>,
    pub(crate) whole_run: Duration,
    pub(crate) written: Written,
    pub(crate) peak_kib: u64,
}

impl Night {
    fn median_down(&self) -> f64 {
        median(self.down.iter().map(Duration::as_secs_f64))
    }

    fn worst_down(&self) -> f64 {
        let down = self.down.iter().map(Duration::as_secs_f64);
        down.fold(0.0, f64::max)
    }
}

impl Display for Night {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "down {:.2} s (worst {:.2} s), whole run {:.1} s",
            self.median_down(),
            self.worst_down(),
            self.whole_run.as_secs_f64()
        )
    }
}

/// All nights of one contender.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) saves: bool,
    pub(crate) nights: Vec<Night>,
}

impl Row {
    fn median_of(&self, figure: impl Fn(&Night) -> f64) -> f64 {
        median(self.nights.iter().map(figure))
    }

    fn median_down(&self) -> f64 {
        self.median_of(Night::median_down)
    }

    fn worst_down(&self) -> f64 {
        self.median_of(Night::worst_down)
    }

    fn whole_run(&self) -> f64 {
        self.median_of(|night| night.whole_run.as_secs_f64())
    }

    fn written_mib(&self) -> f64 {
        self.median_of(|night| mib(night.written.device_bytes))
    }

    fn used_mib(&self) -> f64 {
        self.median_of(|night| mib(night.written.used_bytes))
    }

    fn peak_mib(&self) -> f64 {
        self.median_of(|night| mib(night.peak_kib * 1024))
    }

    /// Of each service, the median over the nights.
    fn services(&self) -> Vec<f64> {
        let services = self.nights.first().map_or(0, |night| night.down.len());
        let of = |at: usize| {
            let nights = self.nights.iter().filter_map(|night| night.down.get(at));
            median(nights.map(Duration::as_secs_f64))
        };
        (0..services).map(of).collect()
    }

    /// By how much a service was down longer than with the bare stop and start of the same: the
    /// worst of them.
    fn most_above(&self, bare: &Self) -> f64 {
        let services = self.services().into_iter().zip(bare.services());
        let above = services.map(|(down, bare)| down - bare);
        above.fold(f64::NEG_INFINITY, f64::max)
    }
}

#[derive(Debug)]
pub(crate) struct Table {
    /// What was measured.
    pub(crate) load: String,
    /// The first is the bare stop and start.
    pub(crate) rows: Vec<Row>,
}

impl Table {
    fn named(&self, name: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.name == name)
    }

    fn line(&self, row: &Row, bare: &Row) -> [String; 10] {
        let restic = self.named(RESTIC);
        let saves = |text: String| if row.saves { text } else { "–".to_owned() };
        [
            row.name.clone(),
            format!("{:.2}", row.median_down()),
            format!("{:.2}", row.median_down() / bare.median_down()),
            format!("{:.2}", row.worst_down()),
            format!("{:+.2}", row.most_above(bare)),
            format!("{:.1}", row.whole_run()),
            saves(ratio(row, restic, Row::whole_run)),
            saves(format!("{:.0}", row.written_mib())),
            saves(format!("{:.0}", row.used_mib())),
            saves(format!("{:.0}", row.peak_mib())),
        ]
    }

    /// Each target: what it is, what was seen, whether it is met.
    fn verdicts(&self) -> Vec<(String, bool)> {
        let Some((ours, bare)) = self.named(OURS).zip(self.rows.first()) else {
            return Vec::new();
        };
        let times = ours.median_down() / bare.median_down();
        let above = ours.most_above(bare);
        let peak = ours.peak_mib();
        let mut verdicts = vec![
            (
                format!("median downtime {times:.2} times bare, at most {MEDIAN_TIMES_BARE}"),
                times <= MEDIAN_TIMES_BARE,
            ),
            (
                format!(
                    "at most {above:+.2} s above bare, of the same service; \
                     allowed +{SECONDS_ABOVE_BARE}"
                ),
                above <= SECONDS_ABOVE_BARE,
            ),
            (
                format!("peak memory {peak:.0} MiB, at most {PEAK_MIB}"),
                peak <= PEAK_MIB,
            ),
        ];
        if let Some(restic) = self.named(RESTIC) {
            let (run, their_run) = (ours.whole_run(), restic.whole_run());
            verdicts.push((
                format!("whole run {run:.1} s, at most restic's {their_run:.1} s"),
                run <= their_run,
            ));
            let (written, theirs) = (ours.written_mib(), restic.written_mib());
            verdicts.push((
                format!("written {written:.0} MiB, at most restic's {theirs:.0} MiB"),
                written <= theirs,
            ));
        }
        verdicts
    }
}

impl Display for Table {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let head = [
            "",
            "median down, s",
            "× bare",
            "worst down, s",
            "most above bare, s",
            "whole run, s",
            "× restic per stack",
            "written, MiB",
            "grown, MiB",
            "peak memory, MiB",
        ];
        writeln!(f, "{}\n", self.load)?;
        writeln!(f, "| {} |", head.join(" | "))?;
        writeln!(f, "|---|{}", "---:|".repeat(head.len() - 1))?;
        if let Some(bare) = self.rows.first() {
            for row in &self.rows {
                writeln!(f, "| {} |", self.line(row, bare).join(" | "))?;
            }
        }
        writeln!(f)?;
        for (verdict, met) in self.verdicts() {
            let met = if met { "met" } else { "NOT MET" };
            writeln!(f, "- {met}: {verdict}")?;
        }
        Ok(())
    }
}

fn ratio(row: &Row, other: Option<&Row>, figure: impl Fn(&Row) -> f64) -> String {
    other.map_or_else(
        || "–".to_owned(),
        |other| format!("{:.2}", figure(row) / figure(other)),
    )
}

/// The middle of all values; the mean of the two in the middle where their number is even.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    let upper = values.len() / 2;
    let lower = values.len().saturating_sub(1) / 2;
    match (values.get(lower), values.get(upper)) {
        (Some(lower), Some(upper)) => f64::midpoint(*lower, *upper),
        _ => f64::NAN,
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "for people, of what is far less than 2^53 bytes"
)]
fn mib(bytes: u64) -> f64 {
    bytes as f64 / 1_048_576.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, saves: bool, nights: &[[u64; 2]]) -> Row {
        let night = |down: &[u64; 2]| Night {
            down: down.iter().copied().map(Duration::from_millis).collect(),
            whole_run: Duration::from_millis(down.iter().sum()),
            written: Written {
                device_bytes: down[0] << 20,
                used_bytes: down[1] << 20,
            },
            peak_kib: 100 << 10,
        };
        Row {
            name: name.to_owned(),
            saves,
            nights: nights.iter().map(night).collect(),
        }
    }

    #[test]
    fn the_table_has_ratios_and_the_targets_their_verdicts() {
        let rows = vec![
            row("bare stop and start", false, &[[400, 600]]),
            row(OURS, true, &[[500, 1200], [480, 1000], [460, 900]]),
            row(RESTIC, true, &[[2000, 3000]]),
        ];
        let table = Table {
            load: "little".to_owned(),
            rows,
        };
        let expected = "\
little

|  | median down, s | × bare | worst down, s | most above bare, s | whole run, s | × restic per stack | written, MiB | grown, MiB | peak memory, MiB |
|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|
| bare stop and start | 0.50 | 1.00 | 0.60 | +0.00 | 1.0 | – | – | – | – |
| docker-backup | 0.74 | 1.48 | 1.00 | +0.40 | 1.5 | 0.30 | 480 | 1000 | 100 |
| restic, per stack | 2.50 | 5.00 | 3.00 | +2.40 | 5.0 | 1.00 | 2000 | 3000 | 100 |

- NOT MET: median downtime 1.48 times bare, at most 1.2
- met: at most +0.40 s above bare, of the same service; allowed +0.5
- met: peak memory 100 MiB, at most 150
- met: whole run 1.5 s, at most restic's 5.0 s
- met: written 480 MiB, at most restic's 2000 MiB
";
        assert_eq!(table.to_string(), expected);
    }

    #[test]
    fn a_median_lies_in_the_middle() {
        assert!((median([3.0, 1.0, 2.0].into_iter()) - 2.0).abs() < 1e-9);
        assert!((median([4.0, 1.0].into_iter()) - 2.5).abs() < 1e-9);
        assert!(median(std::iter::empty()).is_nan());
    }
}
