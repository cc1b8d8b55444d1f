//! Properties: functions that get and set them, of interfaces, of resources and of the world itself.

use hatchery::component::{Component, Linker, Resource};
use hatchery::{Error, ErrorKind};

/// The bindings.
mod bindings {
    hatchery::component::bindgen!({
        inline: "
            package test:accessors;
            interface settings {
                volume: get() -> u32;
                volume: set(value: u32);
                resource knob {
                    constructor();
                    angle: get() -> u32;
                    angle: set(value: u32) -> result;
                    count: static get() -> u32;
                }
            }
            world mixer {
                import settings;
                export level: get() -> u32;
                export level: set(value: u32);
                export turn: func(by: u32) -> u32;
            }
        ",
        trappable: ["test:accessors/settings#knob.angle"],
    });
}

use bindings::Mixer;
use bindings::test::accessors::settings::{Host, HostKnob, Knob};

/// The host data: the volume, and the angle of the only knob.
#[derive(Default)]
struct State {
    volume: u32,
    angle: u32,
}

impl Host for State {
    fn volume(&mut self) -> u32 {
        self.volume
    }

    fn set_volume(&mut self, value: u32) {
        self.volume = value;
    }
}

impl HostKnob for State {
    fn constructor(&mut self) -> Resource<Knob> {
        Resource::new_own(7)
    }

    fn angle(&mut self, knob: Resource<Knob>) -> Result<u32, Error> {
        assert_eq!(knob.rep(), 7);
        Ok(self.angle)
    }

    fn set_angle(&mut self, _: Resource<Knob>, value: u32) -> Result<Result<(), ()>, Error> {
        if value > 360 {
            return Err(Error::host("it is broken"));
        }
        self.angle = value;
        Ok(if value == 360 { Err(()) } else { Ok(()) })
    }

    fn count(&mut self) -> u32 {
        1
    }

    fn drop(&mut self, _: Resource<Knob>) -> Result<(), Error> {
        Ok(())
    }
}

/// Its level is half of the volume. Turning a knob says where it is then, and counts knobs and failures in thousands.
const MIXER: &str = r#"
(component
  (import "test:accessors/settings" (instance $settings
    (export "[get]volume" (func (result u32)))
    (export "[set]volume" (func (param "value" u32)))
    (export "knob" (type $knob (sub resource)))
    (export "[constructor]knob" (func (result (own $knob))))
    (export "[method][get]knob.angle" (func (param "self" (borrow $knob)) (result u32)))
    (export "[method][set]knob.angle" (func (param "self" (borrow $knob)) (param "value" u32) (result (result))))
    (export "[static][get]knob.count" (func (result u32)))))
  (core func $volume (canon lower (func $settings "[get]volume")))
  (core func $set-volume (canon lower (func $settings "[set]volume")))
  (core func $knob (canon lower (func $settings "[constructor]knob")))
  (core func $angle (canon lower (func $settings "[method][get]knob.angle")))
  (core func $set-angle (canon lower (func $settings "[method][set]knob.angle")))
  (core func $count (canon lower (func $settings "[static][get]knob.count")))
  (core module $main
    (import "host" "volume" (func $volume (result i32)))
    (import "host" "set-volume" (func $set-volume (param i32)))
    (import "host" "knob" (func $knob (result i32)))
    (import "host" "angle" (func $angle (param i32) (result i32)))
    (import "host" "set-angle" (func $set-angle (param i32 i32) (result i32)))
    (import "host" "count" (func $count (result i32)))
    (func (export "level") (result i32) (i32.div_u (call $volume) (i32.const 2)))
    (func (export "set-level") (param i32) (call $set-volume (i32.mul (local.get 0) (i32.const 2))))
    (func (export "turn") (param i32) (result i32) (local $knob i32)
      (local.set $knob (call $knob))
      (call $set-angle (local.get $knob) (i32.add (call $angle (local.get $knob)) (local.get 0)))
      (i32.mul (i32.add (call $count)) (i32.const 1000))
      (i32.add (call $angle (local.get $knob)))))
  (core instance $main (instantiate $main (with "host" (instance
    (export "volume" (func $volume)) (export "set-volume" (func $set-volume)) (export "knob" (func $knob))
    (export "angle" (func $angle)) (export "set-angle" (func $set-angle)) (export "count" (func $count))))))
  (func (export "[get]level") (result u32) (canon lift (core func $main "level")))
  (func (export "[set]level") (param "value" u32) (canon lift (core func $main "set-level")))
  (func (export "turn") (param "by" u32) (result u32) (canon lift (core func $main "turn"))))
"#;

#[test]
fn properties_are_got_and_set() {
    let engine = crate::engine();
    let component = Component::new(&engine, MIXER).unwrap_or_else(|error| panic!("{error}"));
    let mut linker = Linker::new(&engine);
    Mixer::add_to_linker(&mut linker, |state: &mut State| state).expect("nothing is there yet");
    let (prepared, mixer) = Mixer::prepare(&linker, &component).expect("everything fits");
    let mut instance = prepared.instantiate(State::default()).expect("an instance");
    mixer.call_set_level(&mut instance, 21).expect("returns");
    assert_eq!(instance.data().volume, 42);
    instance.data_mut().volume = 100;
    assert_eq!(mixer.call_level(&mut instance).expect("returns"), 50);
    assert_eq!(mixer.call_turn(&mut instance, 90).expect("returns"), 1090);
    assert_eq!(mixer.call_turn(&mut instance, 270).expect("returns"), 2360);
    assert_eq!(mixer.call_turn(&mut instance, 1).unwrap_err().kind(), ErrorKind::Host);
}
