//! The same operation on several threads at once, each on a CPU of its own: left to itself, the kernel lets threads that
//! were woken together share one for longer than a sample takes.

use crate::measure::Side;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Barrier};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

/// One side per thread; each runs as often as all are told, and the slowest says how long it took. The threads are
/// kept, so that what they know from one run is there in the next.
struct Crew {
    members: Vec<Member>,
}

struct Member {
    orders: Option<Sender<u64>>,
    times: Receiver<Duration>,
    thread: Option<JoinHandle<()>>,
}

/// An operation on as many threads as there are sides.
pub(crate) fn crew(sides: Vec<Side>) -> anyhow::Result<Side> {
    let start = Arc::new(Barrier::new(sides.len()));
    let members: Result<Vec<Member>, std::io::Error> =
        sides.into_iter().enumerate().map(|(nth, side)| Member::start(side, nth, start.clone())).collect();
    let crew = Crew { members: members? };
    Ok(Box::new(move |count| crew.run(count)))
}

impl Crew {
    fn run(&self, count: u64) -> Duration {
        for orders in self.members.iter().flat_map(|member| &member.orders) {
            orders.send(count).expect("a thread that works");
        }
        let times = self.members.iter().map(|member| member.times.recv().expect("a thread that works"));
        times.max().unwrap_or_default()
    }
}

impl Member {
    fn start(mut side: Side, nth: usize, start: Arc<Barrier>) -> std::io::Result<Member> {
        let ((orders, ordered), (done, times)) = (channel(), channel());
        let work = move || {
            stay_on(nth);
            for count in ordered {
                start.wait();
                if done.send(side(count)).is_err() {
                    return;
                }
            }
        };
        let thread = Builder::new().spawn(work)?;
        Ok(Member { orders: Some(orders), times, thread: Some(thread) })
    }
}

/// Keeps the thread on one of the CPUs that it may use; where there are too few, or that is not allowed, where it can be.
fn stay_on(nth: usize) {
    let Ok(allowed) = sched_getaffinity(None) else { return };
    let own = (0..CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu)).nth(nth);
    if let Some(own) = own {
        let mut set = CpuSet::new();
        set.set(own);
        let _ = sched_setaffinity(None, &set);
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        drop(self.orders.take());
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so.
            let _ = thread.join();
        }
    }
}
