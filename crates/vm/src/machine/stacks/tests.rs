//! Stacks that come and go.

use super::super::stack::{LEAST_GUARD, LEAST_GUEST, LEAST_RESERVE, SHALLOW};
use super::*;

fn pool(config: StackConfig) -> StackPool {
    StackPool::new(config).expect("pool")
}

impl StackPool {
    fn take(&self) -> GuestStack {
        self.acquire(Scrub::Keep).expect("stack")
    }

    fn give(&self, stack: GuestStack) {
        self.release(stack, Scrub::Keep, false);
    }
}

/// Fills what is so far below the top, as frames do.
fn use_up(stack: &GuestStack, depth: std::ops::Range<usize>) {
    // SAFETY: a part of a stack that nobody else uses.
    unsafe { stack.top().sub(depth.end).write_bytes(7, depth.len()) }
}

/// Bytes of a stack that are in memory.
fn resident(stack: &GuestStack) -> usize {
    use std::os::unix::fs::FileExt;
    let map = std::fs::File::open("/proc/self/pagemap").expect("pagemap");
    let mut entries = vec![0; (stack.top().as_ptr() as usize - stack.guard_start()) / 4096 * 8];
    map.read_exact_at(&mut entries, (stack.guard_start() / 4096 * 8) as u64).expect("an entry for each page");
    // Present, and of this process alone, as the page of zeros that readers share is not.
    entries.chunks(8).filter(|entry| entry[7] & 0x80 != 0 && entry[7] & 1 != 0).count() * 4096
}

#[test]
fn sizes_are_rounded_up_to_what_is_least() {
    let config = pool(StackConfig { guest: 1, host_reserve: 1, guard: 1, ..StackConfig::default() }).config;
    assert_eq!((config.guest, config.host_reserve, config.guard), (LEAST_GUEST, LEAST_RESERVE, LEAST_GUARD));
}

#[test]
fn a_stack_ends_where_its_parts_end() {
    let pool = pool(StackConfig::default());
    let stack = pool.take();
    let config = pool.config();
    assert_eq!(stack.lowest() - stack.guard_start(), config.guard);
    assert_eq!(stack.host_limit() - stack.lowest(), config.host_reserve);
    assert_eq!(stack.top().as_ptr() as usize - stack.host_limit(), config.guest);
    pool.give(stack);
}

#[test]
fn a_bounded_pool_is_exhausted_and_recovers() {
    let pool = pool(StackConfig { limit: 2, ..StackConfig::default() });
    let (a, b) = (pool.take(), pool.take());
    assert!(matches!(pool.acquire(Scrub::Keep), Err(StackError::Exhausted { limit: 2 })));
    let address = a.guard_start();
    pool.give(a);
    let again = pool.take();
    assert_eq!(again.guard_start(), address);
    pool.give(again);
    pool.give(b);
    assert_eq!(pool.mapped(), 2);
}

#[test]
fn a_stack_freed_on_one_thread_serves_another() {
    let pool = pool(StackConfig { limit: 1, ..StackConfig::default() });
    for _ in 0..SHARDS + 1 {
        std::thread::scope(|scope| {
            scope.spawn(|| pool.give(pool.take()));
        });
    }
    assert_eq!(pool.mapped(), 1);
}

#[test]
fn discarding_leaves_zeroes_and_keeping_does_not() {
    for (scrub, expected) in [(Scrub::Keep, 7), (Scrub::Discard, 0)] {
        let pool = pool(StackConfig { scrub, ..StackConfig::default() });
        let stack = pool.take();
        use_up(&stack, 0..10_000);
        pool.give(stack);
        let stack = pool.take();
        for depth in [1, 5000, 10_000] {
            // SAFETY: a byte of a mapping that nobody else uses.
            assert_eq!(unsafe { stack.top().sub(depth).read() }, expected);
        }
        pool.give(stack);
    }
}

#[test]
fn pages_of_a_deep_use_go_back_to_the_kernel() {
    let pool = pool(StackConfig { limit: 1, ..StackConfig::default() });
    let usable = pool.config().usable();
    // By how deep it goes, and by whether it says so itself; frames of a few words, or one that leaves out most.
    for (depth, overflowed, stays) in [
        (0..1000, false, 4096),
        (0..SHALLOW, false, SHALLOW),
        (0..SHALLOW + 200, false, SHALLOW),
        (0..usable, false, SHALLOW),
        (usable - 5000..usable, true, 0),
    ] {
        let stack = pool.take();
        stack.discard().expect("as if unused");
        use_up(&stack, 0..1);
        use_up(&stack, depth.clone());
        let before = resident(&stack);
        pool.release(stack, Scrub::Keep, overflowed);
        let stack = pool.take();
        assert!(before >= resident(&stack));
        assert_eq!(resident(&stack), stays.max(4096), "{depth:?}");
        assert!(!stack.was_deep(), "the next use is judged by what it does");
        pool.give(stack);
    }
}

#[test]
fn a_stack_without_a_deep_part_stays_as_it_is() {
    let pool = pool(StackConfig { guest: 1, host_reserve: 1, ..StackConfig::default() });
    let stack = pool.take();
    use_up(&stack, 0..pool.config().usable());
    pool.release(stack, Scrub::Keep, true);
    let stack = pool.take();
    assert_eq!(resident(&stack), pool.config().usable());
    pool.give(stack);
}

#[test]
fn who_discards_gets_no_stack_that_somebody_else_has_warmed() {
    let pool = pool(StackConfig { limit: 2, ..StackConfig::default() });
    let kept = pool.take();
    use_up(&kept, 0..SHALLOW);
    let place = kept.guard_start();
    pool.give(kept);
    let clean = pool.acquire(Scrub::Discard).expect("another one");
    assert_ne!(clean.guard_start(), place);
    // Where no more may be mapped it is made as new.
    let other = pool.acquire(Scrub::Discard).expect("the first");
    assert_eq!((other.guard_start(), resident(&other)), (place, 4096));
    for stack in [clean, other] {
        use_up(&stack, 0..SHALLOW / 2);
        pool.release(stack, Scrub::Discard, false);
    }
    let both = [(); 2].map(|()| pool.acquire(Scrub::Discard).expect("one of the two"));
    assert!(both.iter().all(|stack| resident(stack) == 4096));
    both.into_iter().for_each(|stack| pool.release(stack, Scrub::Discard, false));
    let any = pool.take();
    pool.give(any);
    assert_eq!((pool.mapped(), pool.idle()), (2, 2));
}

#[test]
fn trimming_unmaps_what_is_free_and_nothing_else() {
    let pool = pool(StackConfig { limit: 5, ..StackConfig::default() });
    let mut stacks: Vec<_> = (0..4).map(|_| pool.take()).collect();
    let clean = pool.acquire(Scrub::Discard).expect("stack");
    pool.release(clean, Scrub::Discard, false);
    stacks.drain(1..).for_each(|stack| pool.give(stack));
    assert_eq!((pool.mapped(), pool.idle()), (5, 4));
    pool.trim();
    assert_eq!((pool.mapped(), pool.idle()), (1, 0));
    use_up(&stacks[0], 0..SHALLOW);
    stacks.extend((0..4).map(|_| pool.take()));
    stacks.into_iter().for_each(|stack| pool.give(stack));
    assert_eq!((pool.mapped(), pool.idle()), (5, 5));
}

#[test]
fn stacks_that_were_reserved_together_are_apart_and_go_with_their_pool() {
    let pool = pool(StackConfig { limit: 40, ..StackConfig::default() });
    let bytes = pool.config().mapping();
    let mut stacks: Vec<_> = (0..40).map(|_| pool.take()).collect();
    assert!(matches!(pool.acquire(Scrub::Keep), Err(StackError::Exhausted { .. })));
    assert_eq!(pool.reserve.lock().expect("reserve").left, 0, "no more was reserved than can be used");
    for stack in &stacks {
        // SAFETY: the first and the last byte of a stack that nobody else uses.
        unsafe { (stack.lowest_pointer().write(1), stack.top().sub(1).write(1)) };
    }
    stacks.sort_by_key(GuestStack::guard_start);
    assert!(stacks.windows(2).all(|pair| pair[0].guard_start() + bytes <= pair[1].guard_start()));
    stacks.into_iter().for_each(|stack| pool.give(stack));
    assert_eq!(pool.mapped(), 40);
}

#[test]
fn an_impossible_size_is_an_error() {
    let pool = pool(StackConfig { guest: usize::MAX, ..StackConfig::default() });
    assert!(matches!(pool.acquire(Scrub::Keep), Err(StackError::System { step: "mmap", .. })));
    assert_eq!(pool.mapped(), 0);
}
