//! Arguments, environment, clocks, random bytes, sockets there are not, and the end.

use crate::support::{OUT, TestGuest, Trap, guest, told};
use hatchery_wasi::host::{SeededEntropy, VirtualClock};
use hatchery_wasi::p1::{self, Answer, Errno, Failure};
use hatchery_wasi::{I32Exit, WasiCtx};
use std::time::Duration;

/// Reads a list of strings as a guest does.
fn strings(
    guest: &mut TestGuest,
    sizes: fn(&mut TestGuest, i32, i32) -> Answer<TestGuest>,
    get: fn(&mut TestGuest, i32, i32) -> Answer<TestGuest>,
) -> Vec<String> {
    told(sizes(guest, OUT, OUT + 4)).unwrap();
    let (count, bytes) = (guest.u32_at(OUT), guest.u32_at(OUT + 4));
    let (pointers, at) = (1000, 2000);
    told(get(guest, pointers, at)).unwrap();
    let starts: Vec<_> = (0..count.cast_signed()).map(|i| guest.u32_at(pointers + 4 * i).cast_signed()).collect();
    let all = guest.bytes_at(at, bytes);
    let text = |start: i32| {
        let rest = &all[usize::try_from(start - at).unwrap()..];
        String::from_utf8(rest.split(|&byte| byte == 0).next().unwrap().to_vec()).unwrap()
    };
    starts.into_iter().map(text).collect()
}

#[test]
fn lists_arrive() {
    let mut guest = guest(WasiCtx::builder().arg("prog").args(["", "äöü"]).env("A", "1").envs([("B", "x=y")]));
    assert_eq!(strings(&mut guest, p1::args_sizes_get, p1::args_get), ["prog", "", "äöü"]);
    assert_eq!(strings(&mut guest, p1::environ_sizes_get, p1::environ_get), ["A=1", "B=x=y"]);
    let mut empty = self::guest(&mut WasiCtx::builder());
    assert!(strings(&mut empty, p1::args_sizes_get, p1::args_get).is_empty());
}

#[test]
fn clocks_run_or_are_told_not_to_be() {
    let mut guest = guest(&mut WasiCtx::builder());
    for id in [0, 1] {
        told(p1::clock_res_get(&mut guest, id, OUT)).unwrap();
        assert!(guest.u64_at(OUT) > 0);
        told(p1::clock_time_get(&mut guest, id, 1, OUT)).unwrap();
        let first = guest.u64_at(OUT);
        told(p1::clock_time_get(&mut guest, id, 1, OUT)).unwrap();
        assert!(first > 0 && guest.u64_at(OUT) >= first);
    }
    for id in [2, 3, 4, -1] {
        assert_eq!(told(p1::clock_time_get(&mut guest, id, 1, OUT)), Err(Errno::Inval));
        assert_eq!(told(p1::clock_res_get(&mut guest, id, OUT)), Err(Errno::Inval));
    }
}

#[test]
fn random_bytes_fill_everything_or_repeat() {
    let fill = |guest: &mut TestGuest| {
        told(p1::random_get(guest, 4096, 200_000)).unwrap();
        told(p1::random_get(guest, 0, 0)).unwrap();
        guest.bytes_at(4096, 200_000).to_vec()
    };
    let seeded = || guest(WasiCtx::builder().entropy(SeededEntropy::new(5)).clock(VirtualClock::new(0, 1)));
    assert!(fill(&mut seeded()) == fill(&mut seeded()));
    let random = fill(&mut guest(&mut WasiCtx::builder()));
    assert!(random.iter().filter(|&&byte| byte == 0).count() < 2000);
    assert!(random != fill(&mut guest(&mut WasiCtx::builder())));
}

#[test]
fn filling_much_can_be_stopped() {
    let mut guest = guest(&mut WasiCtx::builder());
    guest.stop_after(Duration::ZERO);
    assert_eq!(p1::random_get(&mut guest, 0, 1 << 20), Err(Failure::Trap(Trap::Stopped)));
    assert_eq!(p1::sched_yield(&mut guest), Err(Failure::Trap(Trap::Stopped)));
}

#[test]
fn the_end_is_a_trap_with_a_status() {
    let mut guest = guest(&mut WasiCtx::builder());
    for status in [0, 1, 125, 126, 255, 256, -1] {
        assert_eq!(p1::proc_exit(&mut guest, status), Err(Failure::Trap(Trap::Exit(I32Exit(status)))));
    }
    assert_eq!(told(p1::proc_raise(&mut guest, 6)), Err(Errno::NotSup));
    assert_eq!(told(p1::sched_yield(&mut guest)), Ok(()));
}

#[test]
fn there_are_no_sockets() {
    let mut guest = guest(&mut WasiCtx::builder());
    for (fd, errno) in [(0, Errno::NotSock), (1, Errno::NotSock), (9, Errno::Badf), (-1, Errno::Badf)] {
        assert_eq!(told(p1::sock_accept(&mut guest, fd, 0, OUT)), Err(errno));
        assert_eq!(told(p1::sock_recv(&mut guest, fd, 0, 0, 0, OUT, OUT)), Err(errno));
        assert_eq!(told(p1::sock_send(&mut guest, fd, 0, 0, 0, OUT)), Err(errno));
        assert_eq!(told(p1::sock_shutdown(&mut guest, fd, 3)), Err(errno));
    }
}
