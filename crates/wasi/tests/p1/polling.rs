//! Waiting for several things at once.

use crate::support::{OUT, Opening, Outcome, ROOT, TestGuest, Trap, guest, guest_in, scratch, told};
use hatchery_wasi::WasiCtx;
use hatchery_wasi::host::{OsInput, OsOutput, VirtualClock};
use hatchery_wasi::p1::{self, Errno, Failure};
use std::time::{Duration, Instant};

const EVENTS: i32 = 8192;

fn clock(userdata: u64, id: u32, timeout: u64, flags: u16) -> [u8; 48] {
    let mut bytes = [0; 48];
    bytes[..8].copy_from_slice(&userdata.to_le_bytes());
    bytes[16..20].copy_from_slice(&id.to_le_bytes());
    bytes[24..32].copy_from_slice(&timeout.to_le_bytes());
    bytes[40..42].copy_from_slice(&flags.to_le_bytes());
    bytes
}

fn descriptor(userdata: u64, kind: u8, fd: i32) -> [u8; 48] {
    let mut bytes = clock(userdata, fd.cast_unsigned(), 0, 0);
    bytes[8] = kind;
    bytes
}

#[derive(Debug, PartialEq, Eq)]
struct Event {
    userdata: u64,
    errno: u16,
    kind: u8,
    bytes: u64,
    flags: u16,
}

fn event(userdata: u64, errno: u16, kind: u8, bytes: u64, flags: u16) -> Event {
    Event { userdata, errno, kind, bytes, flags }
}

fn poll(guest: &mut TestGuest, subscriptions: &[[u8; 48]]) -> Outcome<Vec<Event>> {
    let (at, _) = guest.put(&subscriptions.concat());
    let count = i32::try_from(subscriptions.len()).unwrap();
    told(p1::poll_oneoff(guest, at, EVENTS, count, OUT))?;
    let found = guest.u32_at(OUT).cast_signed();
    let u16_at = |at| u16::from_le_bytes(guest.bytes_at(at, 2).try_into().unwrap());
    let read = |at| Event {
        userdata: guest.u64_at(at),
        errno: u16_at(at + 8),
        kind: guest.bytes_at(at + 10, 1)[0],
        bytes: guest.u64_at(at + 16),
        flags: u16_at(at + 24),
    };
    Ok((0..found).map(|index| read(EVENTS + 32 * index)).collect())
}

const MS: u64 = 1_000_000;

#[test]
fn a_clock_rings_in_time() {
    let mut guest = guest(&mut WasiCtx::builder());
    let start = Instant::now();
    assert_eq!(
        poll(&mut guest, &[clock(7, 1, 30 * MS, 0), clock(8, 1, 3_600_000 * MS, 0)]),
        Ok(vec![event(7, 0, 0, 0, 0)])
    );
    assert!(start.elapsed() >= Duration::from_millis(30));
    assert_eq!(poll(&mut guest, &[clock(9, 0, 0, 0)]), Ok(vec![event(9, 0, 0, 0, 0)]));
}

#[test]
fn absolute_times_are_readings() {
    let mut guest = guest(&mut WasiCtx::builder());
    for id in [0, 1] {
        told(p1::clock_time_get(&mut guest, id, 0, OUT)).unwrap();
        let now = guest.u64_at(OUT);
        let start = Instant::now();
        let past = clock(1, id.cast_unsigned(), now - 1, 1);
        assert_eq!(poll(&mut guest, &[past]), Ok(vec![event(1, 0, 0, 0, 0)]));
        let soon = clock(2, id.cast_unsigned(), now + 20 * MS, 1);
        assert_eq!(poll(&mut guest, &[soon]), Ok(vec![event(2, 0, 0, 0, 0)]));
        assert!(start.elapsed() >= Duration::from_millis(15));
    }
}

#[test]
fn a_virtual_clock_jumps() {
    let mut guest = guest(WasiCtx::builder().clock(VirtualClock::new(0, 1)));
    let start = Instant::now();
    assert_eq!(poll(&mut guest, &[clock(1, 1, 1_000_000_000 * MS, 0)]).unwrap().len(), 1);
    assert!(start.elapsed() < Duration::from_secs(1));
    told(p1::clock_time_get(&mut guest, 0, 0, OUT)).unwrap();
    assert!(guest.u64_at(OUT) >= 1_000_000_000 * MS);
}

#[test]
fn a_sleeping_guest_can_be_stopped() {
    let mut guest = guest(&mut WasiCtx::builder());
    guest.stop_after(Duration::from_millis(40));
    let start = Instant::now();
    for timeout in [u64::MAX, 3_600_000 * MS] {
        let (at, _) = guest.put(&clock(1, 1, timeout, 0));
        assert_eq!(p1::poll_oneoff(&mut guest, at, EVENTS, 1, OUT), Err(Failure::Trap(Trap::Stopped)));
    }
    assert!(start.elapsed() < Duration::from_secs(2));
}

#[test]
fn pipes_become_ready() {
    let ((input, feed), (drain, output)) = (rustix::pipe::pipe().unwrap(), rustix::pipe::pipe().unwrap());
    let mut builder = WasiCtx::builder();
    let mut guest = guest(builder.stdin(OsInput::new(input)).stdout(OsOutput::new(output)));
    let (read, write) = (descriptor(1, 1, 0), descriptor(2, 2, 1));
    assert_eq!(poll(&mut guest, &[read, write]), Ok(vec![event(2, 0, 2, 0, 0)]));
    assert_eq!(poll(&mut guest, &[read, clock(3, 1, 20 * MS, 0)]), Ok(vec![event(3, 0, 0, 0, 0)]));
    let later = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(30));
        rustix::io::write(&feed, b"later").unwrap();
        feed
    });
    assert_eq!(poll(&mut guest, &[read]), Ok(vec![event(1, 0, 1, 5, 0)]));
    drop((later.join().unwrap(), drain));
    assert_eq!(guest.read(0, 5).unwrap(), b"later");
    assert_eq!(poll(&mut guest, &[read]), Ok(vec![event(1, 0, 1, 0, 1)]), "hung up");
}

#[test]
fn files_are_always_ready_and_errors_are_events() {
    let (_scratch, inside) = scratch();
    std::fs::write(inside.join("file"), "12345").unwrap();
    let mut guest = guest_in(&inside);
    let fd = guest.open(ROOT, "file", Opening::READ).unwrap();
    guest.read(fd, 2).unwrap();
    let subscriptions = [
        descriptor(1, 1, fd),
        descriptor(2, 2, fd),
        descriptor(3, 1, 77),
        descriptor(4, 1, ROOT),
        clock(5, 2, 0, 0),
        clock(6, 1, 3_600_000 * MS, 0),
    ];
    let expected = [
        event(1, 0, 1, 3, 0),
        event(2, Errno::Badf.number(), 2, 0, 0),
        event(3, Errno::Badf.number(), 1, 0, 0),
        event(4, Errno::Badf.number(), 1, 0, 0),
        event(5, Errno::Inval.number(), 0, 0, 0),
    ];
    assert_eq!(poll(&mut guest, &subscriptions), Ok(expected.into()));
}

#[test]
fn nothing_too_much_and_nonsense_are_invalid() {
    let mut guest = guest(&mut WasiCtx::builder());
    assert_eq!(poll(&mut guest, &[]), Err(Errno::Inval));
    assert_eq!(poll(&mut guest, &[descriptor(1, 3, 0)]), Err(Errno::Inval));
    for count in [4097, i32::MAX, -1] {
        assert_eq!(told(p1::poll_oneoff(&mut guest, 0, 0, count, OUT)), Err(Errno::Inval));
    }
}
