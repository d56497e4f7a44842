//! Threads, channels, hash maps, strings and a caught panic from Rust's standard library.
use std::collections::HashMap;
use std::sync::{mpsc, Arc, Mutex};
use std::thread;

fn main() {
    let total = Arc::new(Mutex::new(0u64));
    let (tx, rx) = mpsc::channel();
    let threads: Vec<_> = (0..4u64)
        .map(|id| {
            let (total, tx) = (total.clone(), tx.clone());
            thread::spawn(move || {
                for i in 0..1000 {
                    *total.lock().unwrap() += i * id;
                }
                tx.send(id).unwrap();
            })
        })
        .collect();
    drop(tx);
    let mut ids: Vec<_> = rx.iter().collect();
    ids.sort();
    for t in threads {
        t.join().unwrap();
    }
    println!("total {} ids {:?}", total.lock().unwrap(), ids);
    let mut map = HashMap::new();
    for word in "the quick brown fox jumps over the lazy dog the end".split(' ') {
        *map.entry(word).or_insert(0) += 1;
    }
    let mut words: Vec<_> = map.into_iter().collect();
    words.sort();
    println!("{:?}", words);
    let caught = std::panic::catch_unwind(|| panic!("on purpose"));
    println!("caught {}", caught.is_err());
    println!("{:.3} {:e} {:#x}", std::f64::consts::PI, 1234.5f64, 255);
    std::process::exit(4);
}
