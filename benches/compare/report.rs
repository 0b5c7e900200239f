//! The results: every round's values, their medians, and a comparison of Portwarden with the better of the others.

use std::{collections::BTreeMap, env, fs, path::PathBuf, process::Command};

use serde_json::{Value, json};

use crate::{
    contenders::{Contender, FLOOR, RELAY},
    options::Options,
    support::portwarden::program,
    usage::Spent,
};

/// The program under test, as it is called here.
pub const OURS: &str = "portwarden";

/// The goal of a measure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Goal {
    /// Shown only.
    None,
    /// Portwarden's value by the least of the others is shown, and not judged.
    Ratio,
    /// Portwarden's is at most so many times the least of the others.
    Times(f64),
    /// Portwarden's is at most so many times the least of these; what the rest needs is shown only.
    TimesOf(f64, &'static [&'static str]),
    /// Portwarden's is at least so many times the most of the others: a rate.
    TimesMore(f64),
    /// Portwarden's is at most that.
    AtMost(f64),
    /// Portwarden's is at least that.
    AtLeast(f64),
}

/// Those that do not authorize.
pub const PROXIES: &[&str] = &["nginx", "haproxy"];
/// The one of them that some goals name.
pub const NGINX: &[&str] = &["nginx"];
/// The one with TLS and tokens of its own.
pub const REGISTRY: &[&str] = &["registry"];

/// One measured value.
pub struct Sample {
    /// The measure and its unit.
    pub measure: &'static str,
    /// Its goal.
    pub goal: Goal,
    /// Its value.
    pub value: f64,
    /// The kernel's part of it, where that is measured.
    pub kernel: Option<f64>,
}

/// Shorthand.
pub fn sample(measure: &'static str, goal: Goal, value: f64) -> Sample {
    Sample { measure, goal, value, kernel: None }
}

/// The processor time and the kernel's part of it, by a number of what was done: GiB, or for microseconds millions of
/// requests. One sample for each goal.
pub fn cpu_samples(measure: &'static str, goals: &[Goal], spent: &Spent, per: f64) -> Vec<Sample> {
    let one = |goal: &Goal| Sample {
        measure,
        goal: *goal,
        value: spent.cpu / per,
        kernel: Some(spent.kernel / per),
    };
    goals.iter().map(one).collect()
}

/// Everything.
pub struct Report {
    rows: Vec<Row>,
}

/// A line of the table.
struct Row {
    case: String,
    measure: &'static str,
    goal: Goal,
    /// By contender, a value for each round.
    rounds: BTreeMap<&'static str, Vec<f64>>,
    /// The kernel's part of Portwarden's.
    kernel: Vec<f64>,
}

impl Report {
    /// An empty one.
    pub fn new() -> Self {
        Self { rows: Vec::new() }
    }

    /// Lets all take their turn in each round, another one first each time. The first round of all finds everything
    /// cold and is not kept.
    pub fn measure<C: AsRef<Contender>>(
        &mut self,
        case: &str,
        contenders: &[C],
        rounds: usize,
        mut turn: impl FnMut(&C) -> Vec<Sample>,
    ) {
        for round in 0..=rounds {
            eprint!("\r{case}: round {round} of {rounds}   ");
            for place in 0..contenders.len() {
                let contender = &contenders[(place + round) % contenders.len()];
                let samples = turn(contender);
                if round > 0 {
                    self.add(case, contender.as_ref().name, samples);
                }
            }
        }
        eprintln!();
    }

    /// A round's values of a contender.
    pub fn add(&mut self, case: &str, name: &'static str, samples: Vec<Sample>) {
        for Sample { measure, goal, value, kernel } in samples {
            let is_it = |row: &Row| row.case == case && row.measure == measure && row.goal == goal;
            let at = self.rows.iter().position(is_it).unwrap_or_else(|| {
                let (case, rounds, kernel) = (case.to_owned(), BTreeMap::new(), Vec::new());
                self.rows.push(Row { case, measure, goal, rounds, kernel });
                self.rows.len() - 1
            });
            self.rows[at].rounds.entry(name).or_default().push(value);
            self.rows[at].kernel.extend(kernel.filter(|_| name == OURS));
        }
    }

    /// The table.
    pub fn print(&self) {
        let head =
            ["scenario", "measure", OURS, "nginx", "haproxy", "other", "ratio", "kernel", FLOOR, "goal", ""];
        let mut table = vec![head.map(str::to_owned)];
        table.extend(self.rows.iter().map(Row::cells));
        let width = |column: usize| table.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..head.len()).map(width).collect();
        table.insert(1, std::array::from_fn(|column| "-".repeat(widths[column])));
        for row in &table {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
            println!("| {} |", cells.collect::<Vec<_>>().join(" | "));
        }
    }

    /// All of it as JSON, in `target/bench`.
    pub fn write(&self, options: &Options) {
        let target = env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/target")), PathBuf::from);
        let file = target.join("bench/compare.json");
        let rows: Vec<Value> = self.rows.iter().map(Row::json).collect();
        let all =
            json!({"quick": options.quick, "machine": machine(), "versions": versions(), "results": rows});
        fs::create_dir_all(target.join("bench")).unwrap();
        fs::write(&file, serde_json::to_string_pretty(&all).unwrap()).unwrap();
        println!("\nAll rounds: {}", file.display());
    }
}

impl Row {
    fn cells(&self) -> [String; 11] {
        let of = |name: &str| self.rounds.get(name).map_or_else(String::new, |values| spread(values));
        let ratios = |values: &[f64]| Some(self.ratios(values)).filter(|all| !all.is_empty());
        let ratio = |values: &[f64]| ratios(values).map_or_else(String::new, |all| spread(&all));
        let known = [OURS, "nginx", "haproxy"];
        let other = self.rounds.iter().filter(|(name, _)| !known.contains(name));
        let other: Vec<String> = other.map(|(name, values)| format!("{name}: {}", spread(values))).collect();
        let (goal, met) = self.verdict();
        [
            self.case.clone(),
            self.measure.to_owned(),
            of(OURS),
            of("nginx"),
            of("haproxy"),
            other.join(", "),
            ratio(self.of(OURS)),
            ratio(&self.kernel),
            ratio(self.of(if self.rounds.contains_key(RELAY) { RELAY } else { FLOOR })),
            goal,
            met.to_owned(),
        ]
    }

    /// The values of a contender, by round.
    fn of(&self, name: &str) -> &[f64] {
        self.rounds.get(name).map_or(&[], Vec::as_slice)
    }

    /// Values by the best of the others that the goal names, in each round: Portwarden's, the kernel's part, the floor's.
    fn ratios(&self, values: &[f64]) -> Vec<f64> {
        let (named, rate) = match self.goal {
            Goal::Ratio | Goal::Times(_) => (&[][..], false),
            Goal::TimesOf(_, names) => (names, false),
            Goal::TimesMore(_) => (&[][..], true),
            Goal::None | Goal::AtMost(_) | Goal::AtLeast(_) => return Vec::new(),
        };
        let counts =
            |name: &str| ![OURS, FLOOR, RELAY].contains(&name) && (named.is_empty() || named.contains(&name));
        let others: Vec<&Vec<f64>> =
            self.rounds.iter().filter(|(name, _)| counts(name)).map(|(_, values)| values).collect();
        if others.is_empty() {
            return Vec::new();
        }
        let best = |round: usize| {
            let of_round = others.iter().map(|values| values[round]);
            if rate { of_round.fold(0.0, f64::max) } else { of_round.fold(f64::INFINITY, f64::min) }
        };
        values.iter().enumerate().map(|(round, value)| value / best(round)).collect()
    }

    fn verdict(&self) -> (String, &'static str) {
        let (ours, ratio) = (median(self.of(OURS)), median(&self.ratios(self.of(OURS))));
        let (goal, met) = match self.goal {
            Goal::None | Goal::Ratio => return (String::new(), ""),
            Goal::Times(most) => (format!("≤ {most} ×"), ratio <= most),
            Goal::TimesOf(most, names) => (format!("≤ {most} × {}", names.join(", ")), ratio <= most),
            Goal::TimesMore(least) => (format!("≥ {least} ×"), ratio >= least),
            Goal::AtMost(most) => (format!("≤ {most}"), ours <= most),
            Goal::AtLeast(least) => (format!("≥ {least}"), ours >= least),
        };
        (goal, if met { "met" } else { "missed" })
    }

    fn json(&self) -> Value {
        let (goal, verdict) = self.verdict();
        let medians: BTreeMap<_, _> =
            self.rounds.iter().map(|(name, values)| (name, median(values))).collect();
        json!({
            "scenario": self.case, "measure": self.measure, "rounds": self.rounds, "medians": medians,
            "ratios": self.ratios(self.of(OURS)), "kernel": self.kernel, "goal": goal, "verdict": verdict,
        })
    }
}

/// The one in the middle.
pub fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

/// The value that this part of all is not above.
pub fn quantile(values: &[f64], part: f64) -> f64 {
    let mut values = values.to_vec();
    values.sort_unstable_by(f64::total_cmp);
    let at = ((values.len() as f64 * part) as usize).min(values.len().saturating_sub(1));
    values.get(at).copied().unwrap_or(f64::NAN)
}

/// A median, the least and the most.
fn spread(values: &[f64]) -> String {
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    format!("{} [{}–{}]", number(median(values)), number(least), number(most))
}

/// Three digits that count.
fn number(value: f64) -> String {
    match value.abs() {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        1.0.. => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

fn machine() -> Value {
    let read = |file: &str| fs::read_to_string(file).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let model =
        cpuinfo.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split(": ").nth(1));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    json!({"cpu": model, "cores": cores, "kernel": read("/proc/sys/kernel/osrelease").trim(),
        "load": read("/proc/loadavg").trim()})
}

fn versions() -> Value {
    let first_line = |program: &str, argument: &str| {
        let output = Command::new(program).arg(argument).output().ok()?;
        let text = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&text).lines().next().map(str::to_owned)
    };
    json!({
        OURS: first_line(&program(), "--version"),
        "nginx": first_line("nginx", "-v"),
        "haproxy": first_line("haproxy", "-v"),
        "registry": first_line("docker-registry", "--version"),
    })
}
