//! What a guest may do with the network: nothing, until the embedder says which addresses.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// What an address is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SocketUse {
    /// To listen for connections there.
    TcpBind,
    /// To connect to it.
    TcpConnect,
    /// To receive datagrams there.
    UdpBind,
    /// To send datagrams to it.
    UdpSend,
}

type Check = Arc<dyn Fn(SocketAddr, SocketUse) -> bool + Send + Sync>;

/// Which addresses a guest may use, and whether it may look names up.
#[derive(Clone)]
pub struct Network {
    check: Option<Check>,
    lookup: bool,
    clients: bool,
}

impl Network {
    /// No address, no names.
    pub fn none() -> Self {
        Self { check: None, lookup: false, clients: false }
    }

    /// Every address, and names.
    pub fn all() -> Self {
        Self::checked(|_, _| true).lookup(true)
    }

    /// The addresses for which the function says so.
    pub fn checked(check: impl Fn(SocketAddr, SocketUse) -> bool + Send + Sync + 'static) -> Self {
        Self { check: Some(Arc::new(check)), lookup: false, clients: false }
    }

    /// The addresses that one of the rules allows. If there are rules, a guest may also be a client by UDP: have a socket
    /// without an address and a port of its own choice, which receives only from addresses that the rules allow.
    pub fn rules(rules: impl IntoIterator<Item = AddressRule>) -> Self {
        let rules: Vec<_> = rules.into_iter().collect();
        let clients = !rules.is_empty();
        Self { clients, ..Self::checked(move |address, _| rules.iter().any(|rule| rule.allows(address))) }
    }

    /// Whether names may be looked up.
    #[must_use]
    pub fn lookup(mut self, allowed: bool) -> Self {
        self.lookup = allowed;
        self
    }

    /// Whether an address may be used so.
    pub fn allows(&self, address: SocketAddr, wanted: SocketUse) -> bool {
        self.check.as_ref().is_some_and(|check| check(address, wanted))
    }

    /// Whether a UDP socket that may not be bound here may be so as a client's, which hears only those that it may send to.
    pub(crate) fn allows_client(&self, address: SocketAddr) -> bool {
        self.clients && address.ip().is_unspecified() && address.port() == 0
    }

    /// Whether names may be looked up.
    pub fn allows_lookup(&self) -> bool {
        self.lookup
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network").field("addresses", &self.check.is_some()).field("lookup", &self.lookup).finish()
    }
}

/// A range of addresses and a port, written `ADDRESS[/PREFIX][:PORT]`, with brackets around a version 6 address that has
/// a port; `*` is any address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressRule {
    /// The first `prefix` bits of allowed addresses; `None` allows all.
    range: Option<(IpAddr, u8)>,
    /// `None` allows all.
    port: Option<u16>,
}

/// A rule that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no address rule; write an address, `10.0.0.0/8`, `127.0.0.1:8080`, `[::1]:443` or `*:443`")]
pub struct AddressRuleError(String);

impl AddressRule {
    fn allows(&self, address: SocketAddr) -> bool {
        let in_range = self.range.is_none_or(|(range, prefix)| same_prefix(range, address.ip(), prefix));
        in_range && self.port.is_none_or(|port| port == address.port())
    }
}

fn same_prefix(a: IpAddr, b: IpAddr, prefix: u8) -> bool {
    let shift = |bits: u32| bits.saturating_sub(prefix.into());
    match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).checked_shr(shift(32)).unwrap_or(0) == 0,
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).checked_shr(shift(128)).unwrap_or(0) == 0,
        _ => false,
    }
}

impl std::str::FromStr for AddressRule {
    type Err = AddressRuleError;

    fn from_str(text: &str) -> Result<Self, AddressRuleError> {
        parse(text).ok_or_else(|| AddressRuleError(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<AddressRule> {
    // A version 6 address without brackets has colons of its own, and no port.
    if let Some(range) = parse_range(text) {
        return Some(AddressRule { range, port: None });
    }
    let (address, port) = text.rsplit_once(':')?;
    let port = if port == "*" { None } else { Some(port.parse().ok()?) };
    let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    if bare.is_none() && address.contains(':') {
        return None;
    }
    Some(AddressRule { range: parse_range(bare.unwrap_or(address))?, port })
}

fn parse_range(text: &str) -> Option<Option<(IpAddr, u8)>> {
    if text == "*" {
        return Some(None);
    }
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix.parse::<u8>().ok()?)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let bits = if address.is_ipv4() { 32 } else { 128 };
    let prefix = prefix.unwrap_or(bits);
    (prefix <= bits).then_some(Some((address, prefix)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(rule: &str, address: &str) -> bool {
        Network::rules([rule.parse().unwrap()]).allows(address.parse().unwrap(), SocketUse::TcpConnect)
    }

    #[test]
    fn rules_allow_what_they_name() {
        assert!(allows("127.0.0.1:8080", "127.0.0.1:8080"));
        assert!(!allows("127.0.0.1:8080", "127.0.0.1:8081"));
        assert!(!allows("127.0.0.1:8080", "127.0.0.2:8080"));
        assert!(allows("10.0.0.0/8", "10.1.2.3:1"));
        assert!(!allows("10.0.0.0/8", "11.1.2.3:1"));
        assert!(allows("0.0.0.0/0", "11.1.2.3:1"));
        assert!(!allows("0.0.0.0/0", "[::1]:1"));
        assert!(allows("*:443", "[::1]:443") && allows("*", "1.2.3.4:5") && allows("::1", "[::1]:9"));
        assert!(allows("[fe80::]/10:53".replace("]/10", "/10]").as_str(), "[fe81::1]:53"));
    }

    #[test]
    fn what_is_no_rule_says_so() {
        for text in ["", "host:80", "1.2.3.4/33", "::1/129", "1.2.3.4:x", "[::1", "1.2.3.4:70000"] {
            assert!(text.parse::<AddressRule>().is_err(), "{text}");
        }
    }

    #[test]
    fn nothing_is_allowed_from_the_start() {
        let address = "127.0.0.1:1".parse().unwrap();
        assert!(!Network::none().allows(address, SocketUse::TcpBind));
        assert!(!Network::none().allows_lookup());
        assert!(Network::all().allows(address, SocketUse::UdpSend));
    }
}
