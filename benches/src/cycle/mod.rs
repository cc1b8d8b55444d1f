//! `cycle/…`: a fresh instance, a look-up, a call, and everything given back.
//!
//! The peer pools as well, and is asked with each of its settings that might be its best. The floor is the copy of the
//! pages that the call writes, with as many copies in rotation as there are slots.

pub(crate) mod crew;
pub(crate) mod first;
mod floor;
pub(crate) mod guests;
pub(crate) mod knobs;
pub(crate) mod sides;

use crate::case::{Case, Row};
use crate::measure::{self, Effort, Pair};
use guests::{Guest, MEMORY, PAGE};
use hatchery::Reset;
use sides::Spec;

/// How many slots are in rotation where it is not one.
const MANY: usize = 256;

/// All of the group.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = vec![case("nop", || Spec::new(guests::nop())), case("word", || Spec::new(guests::word()))];
    cases.extend(sizes());
    cases.extend(growth());
    cases.extend(others());
    cases.extend(resets());
    cases.extend(first::cases());
    cases
}

/// One page and many, next to each other and spread, in one slot and in many.
fn sizes() -> impl Iterator<Item = Case> {
    let contiguous = [1, 16, 64, 256].map(|pages| (format!("data-{pages}"), pages, PAGE));
    let spread = [16, 64, 256].map(|pages| (format!("data-{pages}-spread"), pages, MEMORY / pages));
    contiguous.into_iter().chain(spread).flat_map(|(name, pages, stride)| {
        let spec = move || Spec::new(guests::data(pages, stride));
        [
            case(&name, spec),
            case(&format!("{name}-{MANY}-slots"), move || Spec { slots: MANY, ..spec() }),
            case(&format!("{name}-2-threads"), move || Spec { threads: 2, ..spec() }),
        ]
    })
}

/// Guests that grow, alone and beside another.
fn growth() -> impl Iterator<Item = Case> {
    [1, 16].into_iter().flat_map(|pages| {
        let spec = move || Spec::new(guests::grow(pages));
        [
            case(&format!("grow-{pages}"), spec),
            case(&format!("grow-{pages}-2-threads"), move || Spec { threads: 2, ..spec() }),
            case(&format!("grow-{pages}-{MANY}-slots"), move || Spec { slots: MANY, ..spec() }),
        ]
    })
}

/// What is special: a slot with a past, an image that was initialized.
fn others() -> [Case; 4] {
    let snapshot = |pages| move || Spec { snapshot: true, ..Spec::new(guests::computed(pages, PAGE)) };
    [
        Case::new("cycle/data-1-after-256", after),
        snapshot_case("snapshot-1", snapshot(1), || guests::data(1, PAGE)),
        snapshot_case("snapshot-16", snapshot(16), || guests::data(16, PAGE)),
        case("nop-2-threads", || Spec { threads: 2, ..Spec::new(guests::nop()) }),
    ]
}

/// The other ways to reset.
fn resets() -> impl Iterator<Item = Case> {
    [("pagemap-scan", Reset::PagemapScan), ("decommit", Reset::Decommit)].into_iter().flat_map(|(suffix, reset)| {
        let with = move |guest: Guest| Spec { reset, ..Spec::new(guest) };
        [
            case(&format!("nop-{suffix}"), move || with(guests::nop())),
            case(&format!("data-1-{suffix}"), move || with(guests::data(1, PAGE))),
            case(&format!("data-16-{suffix}"), move || with(guests::data(16, PAGE))),
            case(&format!("data-64-spread-{suffix}"), move || with(guests::data(64, MEMORY / 64))),
            case(&format!("data-256-{suffix}"), move || with(guests::data(256, PAGE))),
            case(&format!("grow-1-{suffix}"), move || with(guests::grow(1))),
        ]
    })
}

fn case(name: &str, spec: impl Fn() -> Spec + 'static) -> Case {
    Case::new(format!("cycle/{name}"), move |effort| {
        let spec = spec();
        cycle(&spec, &spec, effort)
    })
}

/// A case in which the peer's module has in its data what ours computes before the snapshot.
fn snapshot_case(name: &str, spec: impl Fn() -> Spec + 'static, plain: impl Fn() -> Guest + 'static) -> Case {
    Case::new(format!("cycle/{name}"), move |effort| {
        let mut row = cycle(&spec(), &Spec::new(plain()), effort)?;
        row.peer_config += "; its module has the same as data";
        row.our_config += ", from a snapshot";
        Ok(row)
    })
}

/// Both sides and the floor: medians of many at a time, then one by one for the percentiles.
fn cycle(ours: &Spec, peer: &Spec, effort: &Effort) -> anyhow::Result<Row> {
    let (knobs, remark) = knobs::best(peer)?;
    let floor = (ours.threads == 1).then(|| floor::copy(&ours.guest, ours.slots)).flatten();
    let mut pair = Pair { ours: sides::ours(ours)?, peer: sides::peer(peer, &knobs)?, floor };
    (pair.ours)(ours.warm_up());
    (pair.peer)(peer.warm_up());
    let outcome = measure::compare(&mut pair, effort);
    let times = measure::latencies(&mut [&mut pair.ours, &mut pair.peer], effort);
    let mut row = Row::timed(&outcome, format!("{knobs}{remark}"));
    row.our_config = reset_name(ours.reset).to_owned();
    if ours.guest.grows() {
        // So that what was grown can stay mapped: our default where there is a pool.
        row.our_config += ", with bounds compared";
    }
    row.more = vec![
        ("ours_p50_ns", times[0].p50),
        ("ours_p99_ns", times[0].p99),
        ("peer_p50_ns", times[1].p50),
        ("peer_p99_ns", times[1].p99),
    ];
    Ok(row)
}

/// One page, in slots whose earlier users wrote 256: the hundred cycles that follow the hundred in which a slot may
/// recover. Each round has pools of its own, as what was long ago would count for nothing in the second.
fn after(effort: &Effort) -> anyhow::Result<Row> {
    let earlier = Some(guests::data(256, PAGE).args);
    let spec = Spec { earlier, ..Spec::new(guests::data(1, PAGE)) };
    let (knobs, remark) = knobs::best(&spec)?;
    let mut rounds = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..effort.slow_rounds {
        let ours = measure::sample(&mut sides::ours(&spec)?, 100);
        let peer = measure::sample(&mut sides::peer(&spec, &knobs)?, 100);
        rounds.0.push(ours);
        rounds.1.push(peer);
        rounds.2.push(ours / peer);
    }
    let of = |values| measure::median(values).unwrap_or(f64::NAN);
    let (ours, peer, ratio) = (of(rounds.0), of(rounds.1), of(rounds.2));
    let outcome = measure::Outcome { ours, peer, ratio, floor: None, over_floor: None };
    Ok(Row::timed(&outcome, format!("{knobs}{remark}")))
}

fn reset_name(reset: Reset) -> &'static str {
    match reset {
        Reset::PagemapScan => "pagemap scan",
        Reset::Decommit => "decommit",
        _ => "working set",
    }
}
