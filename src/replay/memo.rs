//! Decisions that were made before, by all that they depend on; bounded.

use std::{collections::HashMap, rc::Rc};

/// The most decisions that are remembered; then all are forgotten.
const MOST: usize = 100_000;
/// The most bytes of keys: a hostile line may be all key.
const MOST_BYTES: usize = 64 << 20;

/// Remembered decisions.
#[derive(Debug)]
pub(super) struct Memo<T> {
    known: HashMap<Box<[u8]>, Rc<T>>,
    key: Vec<u8>,
    /// Bytes of the keys.
    bytes: usize,
}

impl<T> Default for Memo<T> {
    fn default() -> Self {
        Self { known: HashMap::new(), key: Vec::new(), bytes: 0 }
    }
}

impl<T> Memo<T> {
    /// The decision under the key that `write` makes; `decide` makes one that is not remembered.
    pub(super) fn get(&mut self, write: impl FnOnce(&mut Vec<u8>), decide: impl FnOnce() -> T) -> Rc<T> {
        write(&mut self.key);
        if let Some(known) = self.known.get(self.key.as_slice()) {
            return Rc::clone(known);
        }
        let decided = Rc::new(decide());
        if self.known.len() >= MOST || self.bytes >= MOST_BYTES {
            self.known.clear();
            self.bytes = 0;
        }
        self.bytes += self.key.len();
        self.known.insert(self.key.as_slice().into(), Rc::clone(&decided));
        decided
    }
}
