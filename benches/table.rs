//! What was measured, as a table.

use std::{
    collections::BTreeMap,
    fmt::{self, Display, Formatter},
    time::Duration,
};

use crate::contender::{Ours, Restic};

/// What is measured, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    Open,
    First,
    Unchanged,
    Changed,
}

impl Step {
    pub(crate) const ALL: [Self; 4] = [Self::Open, Self::First, Self::Unchanged, Self::Changed];

    fn title(self) -> &'static str {
        match self {
            Self::Open => "opening only",
            Self::First => "first backup",
            Self::Unchanged => "nothing changed",
            Self::Changed => "1 % changed",
        }
    }
}

/// One step of one contender in one round.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figure {
    pub(crate) took: Duration,
    pub(crate) added_bytes: u64,
}

/// All figures. They print as a table in Markdown.
#[derive(Debug, Default)]
pub(crate) struct Figures(BTreeMap<(Step, &'static str), Vec<Figure>>);

impl Figures {
    pub(crate) fn note(&mut self, step: Step, contender: &'static str, figure: Figure) {
        self.0.entry((step, contender)).or_default().push(figure);
    }

    fn seconds(&self, step: Step, contender: &'static str) -> Option<Spread> {
        let figures = self.0.get(&(step, contender))?;
        Spread::of(figures.iter().map(|figure| figure.took.as_secs_f64()))
    }

    fn added_kib(&self, step: Step, contender: &'static str) -> Option<Spread> {
        let figures = self.0.get(&(step, contender))?;
        Spread::of(figures.iter().map(|figure| kibibytes(figure.added_bytes)))
    }

    fn row(&self, step: Step) -> [String; 8] {
        let ours = self.seconds(step, Ours::NAME);
        let restic = self.seconds(step, Restic::NAME);
        let opening = self.seconds(Step::Open, Ours::NAME);
        let our_kib = self.added_kib(step, Ours::NAME);
        let restic_kib = self.added_kib(step, Restic::NAME);
        let adds = step != Step::Open;
        [
            step.title().to_owned(),
            cell(ours, Spread::with_range),
            cell(restic, Spread::with_range),
            ratio(ours, restic, 0.0),
            // Opening is not opened twice.
            cell(opening.filter(|_| adds), |opening| {
                ratio(ours, restic, opening.median)
            }),
            cell(our_kib.filter(|_| adds), Spread::whole),
            cell(restic_kib.filter(|_| adds), Spread::whole),
            cell(our_kib.filter(|_| adds), |_| {
                ratio(our_kib, restic_kib, 0.0)
            }),
        ]
    }
}

impl Display for Figures {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let head = [
            "",
            "ours, s",
            "restic, s",
            "ours/restic",
            "with opening",
            "ours added, KiB",
            "restic added, KiB",
            "ours/restic",
        ];
        writeln!(formatter, "| {} |", head.join(" | "))?;
        writeln!(formatter, "|---|{}", "---:|".repeat(head.len() - 1))?;
        for step in Step::ALL {
            writeln!(formatter, "| {} |", self.row(step).join(" | "))?;
        }
        Ok(())
    }
}

/// The rounds of one step in short.
#[derive(Debug, Clone, Copy)]
struct Spread {
    least: f64,
    median: f64,
    most: f64,
}

impl Spread {
    fn of(values: impl Iterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<_> = values.collect();
        values.sort_by(f64::total_cmp);
        Some(Self {
            least: *values.first()?,
            median: *values.get(values.len() / 2)?,
            most: *values.last()?,
        })
    }

    fn with_range(self) -> String {
        let Self {
            least,
            median,
            most,
        } = self;
        format!("{median:.2} ({least:.2} to {most:.2})")
    }

    fn whole(self) -> String {
        format!("{:.0}", self.median)
    }
}

/// The ratio of two medians, ours with something on top.
fn ratio(ours: Option<Spread>, restic: Option<Spread>, on_top: f64) -> String {
    let both = ours.zip(restic);
    cell(both, |(ours, restic)| {
        format!("{:.2}", (ours.median + on_top) / restic.median)
    })
}

/// What was not measured is a dash.
fn cell<T>(value: Option<T>, show: impl FnOnce(T) -> String) -> String {
    value.map_or_else(|| "–".to_owned(), show)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a repository here is far smaller than 2^53 bytes"
)]
fn kibibytes(bytes: u64) -> f64 {
    bytes as f64 / 1024.0
}
