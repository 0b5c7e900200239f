//! The options of the command line.

/// The command line.
pub struct Options {
    /// Everything smaller: to see that it works, in two minutes.
    pub quick: bool,
    rounds: Option<usize>,
    names: Vec<String>,
}

impl Options {
    /// Reads them. `cargo bench` adds `--bench` of its own.
    pub fn of(mut words: impl Iterator<Item = String>) -> Self {
        let mut options = Self { quick: false, rounds: None, names: Vec::new() };
        while let Some(word) = words.next() {
            match word.as_str() {
                "--bench" | "--test" => {}
                "--quick" => options.quick = true,
                "--rounds" => {
                    let number = words.next().and_then(|number| number.parse().ok());
                    options.rounds =
                        Some(number.filter(|rounds| *rounds > 0).expect("--rounds needs a number"));
                }
                flag if flag.starts_with('-') => panic!("unknown: {flag}"),
                _ => options.names.push(word),
            }
        }
        options
    }

    /// One of two values.
    pub fn pick<T>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }

    /// Returns the number of rounds that are measured.
    pub fn rounds(&self) -> usize {
        self.rounds.unwrap_or(self.pick(5, 3))
    }

    /// The same for what takes long.
    pub fn few_rounds(&self) -> usize {
        self.rounds.unwrap_or(self.pick(3, 1))
    }

    /// Returns true if a case is selected.
    pub fn wants(&self, case: &str) -> bool {
        self.names.is_empty() || self.names.iter().any(|name| case.starts_with(name.as_str()))
    }
}
