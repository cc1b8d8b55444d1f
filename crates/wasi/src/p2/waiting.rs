//! The two ways in which a guest waits: the host's thread sleeps, or the guest's stack is put aside.
//!
//! A function that may have to wait is called until it is done. In between it says what to wait for, so that how that is
//! done is decided here alone.

use super::Host;
use super::poll::{Awaited, Pollable, look, time_left};
use crate::WasiCtx;
use crate::host::{Interest, Watch};
use async_io::{Async, Timer};
use hatchery::Error;
use std::collections::HashSet;
use std::future::{poll_fn, ready};
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

/// How far a function got.
#[derive(Debug)]
pub(crate) enum Step<T> {
    /// To the end.
    Done(T),
    /// It goes on when one of these is ready.
    Wait(Vec<Pollable>),
}

impl<T> Step<T> {
    pub(crate) fn map<U>(self, change: impl FnOnce(T) -> U) -> Step<U> {
        match self {
            Step::Done(value) => Step::Done(change(value)),
            Step::Wait(pollables) => Step::Wait(pollables),
        }
    }
}

/// The longest the host's thread sleeps without asking whether the guest is still wanted, and a guest without looking again
/// where nothing can wake it.
const SLICE: Duration = Duration::from_millis(10);

/// Takes all steps on this thread, which sleeps in between.
pub(crate) fn blocking<T>(
    host: &mut impl Host,
    mut step: impl FnMut(&mut WasiCtx) -> Result<Step<T>, Error>,
) -> Result<T, Error> {
    loop {
        host.still_wanted()?;
        match step(host.ctx())? {
            Step::Done(value) => return Ok(value),
            Step::Wait(pollables) => sleep(host, &pollables)?,
        }
    }
}

/// Sleeps until one is ready.
fn sleep(host: &mut impl Host, pollables: &[Pollable]) -> Result<(), Error> {
    loop {
        let slice = time_left(host.ctx(), pollables).map_or(SLICE, |left| left.min(SLICE));
        if !look(host.ctx(), pollables, slice)?.is_empty() {
            return Ok(());
        }
        host.still_wanted()?;
    }
}

/// Takes all steps, on whichever threads the future is polled; none of them sleeps.
pub(crate) async fn suspending<T>(
    mut host: impl Host,
    mut step: impl FnMut(&mut WasiCtx) -> Result<Step<T>, Error>,
) -> Result<T, Error> {
    loop {
        host.still_wanted()?;
        match step(host.ctx())? {
            Step::Done(value) => return Ok(value),
            Step::Wait(pollables) => {
                let events = events(host.ctx(), &pollables);
                first_of(events).await;
            }
        }
    }
}

/// What wakes a guest.
type Event = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What makes one of the pollables ready, as far as it is not yet: the first time that is waited for, and descriptors. They
/// may be early: whoever waits looks again.
fn events(ctx: &mut WasiCtx, pollables: &[Pollable]) -> Vec<Event> {
    let timer = time_left(ctx, pollables).map(|left| Box::pin(after(left)) as Event);
    // Each needs a descriptor of its own, of which a guest that names one often must not take many.
    let mut seen = HashSet::new();
    let events = pollables.iter().filter_map(|pollable| match pollable.awaited(&ctx.table) {
        Awaited::Nothing => Some(Box::pin(ready(())) as Event),
        Awaited::Clock(_) | Awaited::Moment(_) => None,
        Awaited::Descriptor(watch) => seen.insert((watch.fd.as_raw_fd(), watch.interest)).then(|| event(watch)),
    });
    timer.into_iter().chain(events).collect()
}

async fn after(time: Duration) {
    Timer::after(time).await;
}

/// What happens when a descriptor becomes ready.
fn event(watch: Watch<'_>) -> Event {
    let interest = watch.interest;
    // A duplicate, as a descriptor can be registered once, and several calls may wait for one.
    let registered = watch.fd.try_clone_to_owned().and_then(Async::new_nonblocking);
    Box::pin(async move {
        // Without a descriptor to register, it is looked at from time to time.
        let Ok(fd) = registered else { return after(SLICE).await };
        // An error counts as ready: the operation itself will then report it.
        let _ = match interest {
            Interest::Read => fd.readable().await,
            Interest::Write => fd.writable().await,
        };
    })
}

/// Until one has happened.
async fn first_of(mut events: Vec<Event>) {
    poll_fn(|cx| match events.iter_mut().any(|event| event.as_mut().poll(cx).is_ready()) {
        true => Poll::Ready(()),
        false => Poll::Pending,
    })
    .await;
}

#[cfg(test)]
mod tests {
    use super::super::io::subscribe_input;
    use super::super::poll::{Watched, poll};
    use super::super::stream::{Input, Source};
    use super::*;
    use crate::host::{OsInput, VirtualClock};
    use std::os::fd::OwnedFd;
    use std::sync::Arc;
    use std::time::Instant;

    fn readable(fd: OwnedFd) -> Pollable {
        Pollable::Watched(Watched::Fd(Arc::new(fd)), Interest::Read)
    }

    fn once_ready(ctx: &mut WasiCtx, pollables: &[Pollable]) -> Result<Step<Vec<u32>>, Error> {
        let ready = look(ctx, pollables, Duration::ZERO)?;
        Ok(if ready.is_empty() { Step::Wait(pollables.to_vec()) } else { Step::Done(ready) })
    }

    #[test]
    fn a_descriptor_wakes_who_waits_for_it_twice() {
        let (read, write) = rustix::pipe::pipe().unwrap();
        let pollable = readable(read);
        let pollables = [pollable.clone(), Pollable::At(u64::MAX), pollable];
        let writer = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(20));
            rustix::io::write(&write, b"x").unwrap();
            write
        });
        let ctx = WasiCtx::builder().build();
        let ready = pollster::block_on(suspending(ctx, |ctx| once_ready(ctx, &pollables)));
        assert_eq!(ready.unwrap(), [0, 2]);
        drop(writer.join().unwrap());
    }

    #[test]
    fn a_deadline_ends_the_waiting_either_way() {
        let deadline = |ctx: &mut WasiCtx| [Pollable::At(ctx.clock().monotonic() + 20_000_000)];
        let mut ctx = WasiCtx::builder().build();
        let (start, pollables) = (Instant::now(), deadline(&mut ctx));
        assert_eq!(blocking(&mut ctx, |ctx| once_ready(ctx, &pollables)).unwrap(), [0]);
        assert!(start.elapsed() >= Duration::from_millis(20));
        let (start, pollables) = (Instant::now(), deadline(&mut ctx));
        assert_eq!(pollster::block_on(suspending(ctx, |ctx| once_ready(ctx, &pollables))).unwrap(), [0]);
        assert!(start.elapsed() >= Duration::from_millis(20));
    }

    #[test]
    fn a_descriptor_that_is_named_often_is_registered_once() {
        let open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
        let (read, _write) = rustix::pipe::pipe().unwrap();
        let pollables = vec![readable(read); 3000];
        let mut ctx = WasiCtx::builder().build();
        let before = open();
        let mut waiting = Box::pin(first_of(events(&mut ctx, &pollables)));
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(waiting.as_mut().poll(&mut cx).is_pending());
        assert!(open() < before + 100, "{} descriptors", open());
    }

    #[test]
    fn pollables_of_one_stream_share_its_descriptor() {
        let open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
        let (read, _write) = rustix::pipe::pipe().unwrap();
        let mut ctx = WasiCtx::builder().stdin(OsInput::new(read)).max_resources(4000).build();
        let before = open();
        let input = ctx.resources.add(Input::new(Source::Stdin)).unwrap();
        let numbers: Vec<u32> = (0..500).map(|_| subscribe_input(&mut ctx, input).unwrap()).collect();
        let mut waiting = Box::pin(suspending(ctx, |ctx| poll(ctx, &numbers)));
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(waiting.as_mut().poll(&mut cx).is_pending());
        assert!(open() < before + 100, "{} descriptors", open());
    }

    #[test]
    fn a_clock_that_jumps_makes_nobody_wait() {
        let mut ctx = WasiCtx::builder().clock(VirtualClock::new(0, 1)).build();
        let pollables = [Pollable::At(ctx.clock().monotonic() + 3_600_000_000_000)];
        assert_eq!(pollster::block_on(suspending(ctx, |ctx| once_ready(ctx, &pollables))).unwrap(), [0]);
    }
}
