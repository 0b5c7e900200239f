//! The results: every round's values, their medians, and a comparison of Portwarden with the better of the others.

use std::{collections::BTreeMap, env, fs, path::PathBuf, process::Command};

use serde_json::{Value, json};

use crate::{contenders::Contender, options::Options, support::portwarden::program};

/// The program under test, as it is called here.
pub const OURS: &str = "portwarden";

/// The goal of a measure.
#[derive(Debug, Clone, Copy)]
pub enum Goal {
    /// Shown only.
    None,
    /// Portwarden's value by the least of the others is shown, and not judged.
    Ratio,
    /// Portwarden's is at most so many times the least of the others.
    Times(f64),
    /// Portwarden's is at most so many times nginx's; what the rest needs is shown only.
    TimesNginx(f64),
    /// Portwarden's is at most that.
    AtMost(f64),
    /// Portwarden's is at least that.
    AtLeast(f64),
}

/// One measured value.
pub struct Sample {
    /// The measure and its unit.
    pub measure: &'static str,
    /// Its goal.
    pub goal: Goal,
    /// Its value.
    pub value: f64,
}

/// Shorthand.
pub fn sample(measure: &'static str, goal: Goal, value: f64) -> Sample {
    Sample { measure, goal, value }
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
        for Sample { measure, goal, value } in samples {
            let found = self.rows.iter().position(|row| row.case == case && row.measure == measure);
            let at = found.unwrap_or_else(|| {
                self.rows.push(Row { case: case.to_owned(), measure, goal, rounds: BTreeMap::new() });
                self.rows.len() - 1
            });
            self.rows[at].rounds.entry(name).or_default().push(value);
        }
    }

    /// The table.
    pub fn print(&self) {
        let head = ["scenario", "measure", OURS, "nginx", "haproxy", "other", "ratio", "goal", ""];
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
    fn cells(&self) -> [String; 9] {
        let of = |name: &str| self.rounds.get(name).map_or_else(String::new, |values| spread(values));
        let known = [OURS, "nginx", "haproxy"];
        let other = self.rounds.iter().filter(|(name, _)| !known.contains(name));
        let other: Vec<String> = other.map(|(name, values)| format!("{name}: {}", spread(values))).collect();
        let ratios = self.ratios();
        let (goal, met) = self.verdict();
        [
            self.case.clone(),
            self.measure.to_owned(),
            of(OURS),
            of("nginx"),
            of("haproxy"),
            other.join(", "),
            if ratios.is_empty() { String::new() } else { spread(&ratios) },
            goal,
            met.to_owned(),
        ]
    }

    /// Portwarden's value by the least of the others, in each round.
    fn ratios(&self) -> Vec<f64> {
        let counts =
            |name: &str| name != OURS && (!matches!(self.goal, Goal::TimesNginx(_)) || name == "nginx");
        let others: Vec<&Vec<f64>> =
            self.rounds.iter().filter(|(name, _)| counts(name)).map(|(_, values)| values).collect();
        let judged = matches!(self.goal, Goal::Times(_) | Goal::TimesNginx(_) | Goal::Ratio);
        let Some(ours) = self.rounds.get(OURS).filter(|_| judged && !others.is_empty()) else {
            return Vec::new();
        };
        let least = |round: usize| others.iter().map(|values| values[round]).fold(f64::INFINITY, f64::min);
        ours.iter().enumerate().map(|(round, value)| value / least(round)).collect()
    }

    fn verdict(&self) -> (String, &'static str) {
        let ours = self.rounds.get(OURS).map_or(f64::NAN, |values| median(values));
        let (goal, met) = match self.goal {
            Goal::None | Goal::Ratio => return (String::new(), ""),
            Goal::Times(most) | Goal::TimesNginx(most) => {
                (format!("≤ {most} ×"), median(&self.ratios()) <= most)
            }
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
            "ratios": self.ratios(), "goal": goal, "verdict": verdict,
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
