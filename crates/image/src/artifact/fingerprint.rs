//! A number for the contract between compiled code and the machine, so that code made for another
//! contract is refused; and the checksum that it and the root are made with.

use crate::abi::{Builtin, HEADER_BYTES, HOST_CALL_BYTES, MAX_FLOAT_RESULTS, MAX_INT_RESULTS, Scalar, header, task};
use crate::trap::TrapCode;

/// What the contract's offsets, built-ins and trap codes hash to.
pub(super) const ABI: u64 = fingerprint();

/// What a checksum begins with.
const START: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV-1a, continued over these bytes. Each step is a bijection of what came before it, so that a change of
/// one byte never goes unnoticed.
const fn fnv(hash: u64, bytes: &[u8]) -> u64 {
    let (mut hash, mut i) = (hash, 0);
    while i < bytes.len() {
        hash = (hash ^ bytes[i] as u64).wrapping_mul(0x0100_0000_01b3);
        i += 1;
    }
    hash
}

/// The checksum of these bytes. It tells damage, not intent; and unlike a strong hash it asks no CPU for its
/// features, which in a virtual machine takes longer than all the rest of opening.
pub(super) const fn checksum(bytes: &[u8]) -> u64 {
    fnv(START, bytes)
}

const fn mix(hash: u64, number: i64) -> u64 {
    fnv(hash, &number.to_le_bytes())
}

const fn mix_all(hash: u64, numbers: &[i64]) -> u64 {
    let (mut hash, mut i) = (mix(hash, numbers.len() as i64), 0);
    while i < numbers.len() {
        hash = mix(hash, numbers[i]);
        i += 1;
    }
    hash
}

const fn mix_builtin(hash: u64, builtin: Builtin) -> u64 {
    let (mut hash, params, mut i) = (mix(hash, builtin as i64), builtin.params(), 0);
    while i < params.len() {
        hash = mix(hash, params[i] as i64);
        i += 1;
    }
    match builtin.result() {
        None => mix(hash, -1),
        Some(Scalar::I32) => mix(hash, 0x20),
        Some(Scalar::I64) => mix(hash, 0x21),
        Some(Scalar::F32) => mix(hash, 0x22),
        Some(Scalar::F64) => mix(hash, 0x23),
    }
}

const fn fingerprint() -> u64 {
    let header = [
        header::CODE_BASE as i64,
        header::TASK as i64,
        header::HOST_CALLS as i64,
        header::BUILTINS as i64,
        header::INTERRUPT as i64,
        header::INSTANCE as i64,
        header::HOST_DATA as i64,
        HEADER_BYTES as i64,
        header::POLL as i64,
    ];
    let task = [task::FUEL as i64, task::EXIT_FRAME as i64, task::HOST_LIMIT as i64];
    let rest = [
        HOST_CALL_BYTES as i64,
        MAX_INT_RESULTS as i64,
        MAX_FLOAT_RESULTS as i64,
        crate::types::FuncType::MAX_NATIVE_PARAMS as i64,
        TrapCode::ALL.len() as i64,
    ];
    let mut hash = mix_all(mix_all(mix_all(START, &header), &task), &rest);
    let mut i = 0;
    while i < Builtin::ALL.len() {
        hash = mix_builtin(hash, Builtin::ALL[i]);
        i += 1;
    }
    hash
}
