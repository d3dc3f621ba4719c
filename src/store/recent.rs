//! Bounded cache of recently used values: a map of two generations. When the young one is full it becomes the old one,
//! and entries of the old one that were not used since are dropped. No clock, no list of uses.

use std::collections::HashMap;
use std::hash::Hash;

/// A map of at most twice `generation` entries.
#[derive(Debug)]
pub(super) struct Recent<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    generation: usize,
}

impl<K: Eq + Hash, V> Recent<K, V> {
    /// An empty map with generations of that size.
    pub(super) fn new(generation: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), generation }
    }

    /// Keeps an entry.
    pub(super) fn insert(&mut self, key: K, value: V) {
        if self.young.len() >= self.generation {
            self.old = std::mem::take(&mut self.young);
        }
        self.old.remove(&key);
        self.young.insert(key, value);
    }

    /// Takes an entry out.
    pub(super) fn remove(&mut self, key: &K) -> Option<V> {
        self.young.remove(key).or_else(|| self.old.remove(key))
    }

    /// Returns an entry, and marks it as used.
    pub(super) fn get(&mut self, key: &K) -> Option<&V>
    where
        K: Clone,
    {
        if let Some(value) = self.old.remove(key) {
            self.insert(key.clone(), value);
        }
        self.young.get(key)
    }

    /// Every entry, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.young.iter().chain(&self.old)
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays_and_the_rest_goes() {
        let mut recent = Recent::new(2);
        for key in 0..2 {
            recent.insert(key, key);
        }
        recent.insert(2, 2);
        assert_eq!(recent.get(&0), Some(&0), "it is of the old generation, and young again");
        recent.insert(3, 3);
        recent.insert(4, 4);
        assert_eq!(recent.get(&1), None, "nobody asked for it");
        assert!(recent.get(&0).is_some() && recent.get(&3).is_some() && recent.get(&4).is_some());
    }

    #[test]
    fn an_entry_is_there_once() {
        let mut recent = Recent::new(1);
        recent.insert("a", 1);
        recent.insert("b", 2);
        recent.insert("a", 3);
        assert_eq!(recent.remove(&"a"), Some(3));
        assert_eq!(recent.remove(&"a"), None);
        assert!(recent.iter().all(|(_, &value)| value == 2));
    }
}
