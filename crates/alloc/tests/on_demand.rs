//! The suite on the crate's own implementation, and what only that one promises.

use hatchery_alloc::{
    AllocateError, InstanceAllocator, LayoutRefused, OnDemand, Options, PAGE, Protection, Region, RegionKind,
    SlotLayout, Template, Tuning, conformance,
};
use std::sync::Arc;

fn with(options: Options) -> Box<dyn InstanceAllocator> {
    Box::new(OnDemand::new(options))
}

#[test]
fn conforms_with_open_pages() {
    conformance::run(|| with(Options::default()));
}

#[test]
fn conforms_in_strict_mode() {
    conformance::run(|| Box::new(OnDemand::strict()));
}

#[test]
fn conforms_in_strict_mode_with_other_granules() {
    for granule_pages in [0, 3, 16, usize::MAX] {
        conformance::run(|| {
            with(Options { protection: Protection::UntilWritten { granule_pages }, ..Options::default() })
        });
    }
}

#[test]
fn conforms_when_regions_are_soon_opened_whole() {
    for max_openings in [0, 1, 3] {
        conformance::run(|| with(Options { protection: Protection::STRICT, max_openings, ..Options::default() }));
    }
}

#[test]
fn exhaustion_is_said_and_ends() {
    for slots in [1, 5] {
        let allocator = OnDemand::new(Options { max_live: slots, ..Options::default() });
        conformance::exhaustion(&allocator, slots);
        assert_eq!(allocator.live(), 0);
    }
}

fn layout(bytes: usize, accessible: usize) -> SlotLayout {
    let region = Region { offset: 0, kind: RegionKind::Image, accessible, limit: bytes };
    SlotLayout::new(bytes, [region]).expect("layout")
}

#[test]
fn what_does_not_fit_is_refused_with_both_numbers() {
    let options = Options { max_slot_bytes: 8 * PAGE, max_accessible_bytes: 2 * PAGE, ..Options::default() };
    let allocator = OnDemand::new(options);
    let slot = LayoutRefused::Slot { needed: 9 * PAGE, limit: 8 * PAGE };
    let accessible = LayoutRefused::Accessible { needed: 3 * PAGE, limit: 2 * PAGE };
    assert_eq!(allocator.validate(&layout(9 * PAGE, 0)), Err(slot));
    assert_eq!(allocator.validate(&layout(8 * PAGE, 3 * PAGE)), Err(accessible));
    assert_eq!(allocator.validate(&layout(8 * PAGE, 2 * PAGE)), Ok(()));
    let template = Arc::new(Template::new(layout(9 * PAGE, 0), None, &[]).expect("template"));
    let refused = allocator.allocate(&template);
    assert!(matches!(refused, Err(AllocateError::Layout(reason)) if reason == slot));
}

#[test]
fn a_slot_that_the_kernel_refuses_is_not_counted() {
    let allocator = OnDemand::new(Options { max_slot_bytes: usize::MAX, max_live: 1, ..Options::default() });
    let template = |bytes| Arc::new(Template::new(layout(bytes, 0), None, &[]).expect("template"));
    let refused = allocator.allocate(&template(1 << 60));
    assert!(matches!(refused, Err(AllocateError::System { .. })), "{refused:?}");
    assert_eq!(allocator.live(), 0);
    assert!(allocator.allocate(&template(PAGE)).is_ok(), "the only slot is still free");
}

#[test]
fn a_limit_below_a_reservation_asks_for_explicit_bounds() {
    let wanted = Tuning { reservation: 4 << 30, guard: 32 << 20, explicit_bounds: false, explicit_growth: false };
    let mut tuning = wanted;
    OnDemand::default().tune(&mut tuning);
    assert_eq!(tuning, wanted);
    OnDemand::new(Options { max_slot_bytes: 1 << 20, ..Options::default() }).tune(&mut tuning);
    assert_eq!(tuning, Tuning { reservation: 1 << 19, guard: 1 << 17, explicit_bounds: true, explicit_growth: false });
}
