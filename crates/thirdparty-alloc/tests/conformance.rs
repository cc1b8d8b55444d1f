//! The suite of `hatchery-alloc` on an implementation from outside.

use hatchery_alloc::{InstanceAllocator, LayoutRefused, PAGE, Region, RegionKind, SlotLayout, Template, conformance};
use hatchery_thirdparty_alloc::Recycler;
use std::sync::Arc;

#[test]
fn conforms_however_much_it_keeps() {
    for keep in [0, 1, 1000] {
        conformance::run(|| Box::new(Recycler::new(keep)));
    }
}

#[test]
fn a_released_mapping_serves_the_same_template_again() {
    let region = Region { offset: 0, kind: RegionKind::Image, accessible: PAGE, limit: PAGE };
    let layout = SlotLayout::new(2 * PAGE, [region]).expect("layout");
    let template = || Arc::new(Template::new(layout.clone(), None, &[]).expect("template"));
    let (one, other) = (template(), template());
    let recycler = Recycler::new(8);
    let cycle = |template| conformance::cycle(&recycler, template);
    cycle(&one);
    assert_eq!(recycler.reused(), 0);
    cycle(&one);
    assert_eq!(recycler.reused(), 1);
    cycle(&other);
    assert_eq!(recycler.reused(), 1, "a mapping shows one template's contents only");
}

#[test]
fn more_regions_than_the_book_page_holds_are_refused() {
    let region = |i: usize| Region { offset: i * PAGE, kind: RegionKind::Image, accessible: PAGE, limit: PAGE };
    let of = |n: usize| SlotLayout::new(n * PAGE, (0..n).map(region).collect::<Vec<_>>()).expect("layout");
    assert_eq!(Recycler::new(0).validate(&of(512)), Ok(()));
    assert_eq!(Recycler::new(0).validate(&of(513)), Err(LayoutRefused::Regions { needed: 513, limit: 512 }));
}
