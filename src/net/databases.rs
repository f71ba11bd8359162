//! Names that the host keeps in files: those of nets and of Ethernet addresses.

use std::fs;
use std::net::Ipv4Addr;

/// The names of nets (networks(5)).
const NETWORKS: &str = "/etc/networks";

/// The names of Ethernet addresses (ethers(5)).
const ETHERS: &str = "/etc/ethers";

/// The address and the mask of the net called `name`.
///
/// # Errors
/// The database cannot be read or does not know the name; in a few words.
pub(super) fn network(name: &str) -> Result<(Ipv4Addr, Ipv4Addr), String> {
    net(&read(NETWORKS)?, name).ok_or_else(|| format!("{NETWORKS} knows no net of this name"))
}

/// The Ethernet address of the host called `name`.
///
/// # Errors
/// As [`network`].
pub(super) fn ethernet(name: &str) -> Result<[u8; 6], String> {
    address(&read(ETHERS)?, name).ok_or_else(|| format!("{ETHERS} knows no host of this name"))
}

fn read(path: &str) -> Result<String, String> {
    let text = fs::read(path).map_err(|error| format!("{path}: {error}"))?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// The lines' words without comments, which `#` starts.
fn lines(database: &str) -> impl Iterator<Item = std::str::SplitWhitespace<'_>> {
    let lines = database.lines().map(|line| line.split('#').next());
    lines.flatten().map(str::split_whitespace)
}

/// A line is a name, an address, aliases. Zeros at the end of an address may be left out, and
/// there or not they are not part of the net.
fn net(database: &str, name: &str) -> Option<(Ipv4Addr, Ipv4Addr)> {
    lines(database).find_map(|mut words| {
        let (official, address) = (words.next()?, words.next()?);
        (official == name || words.any(|alias| alias == name)).then_some(())?;
        let mut bytes = [0; 4];
        let mut given = address.split('.');
        for byte in &mut bytes {
            *byte = given.next().map_or(Some(0), |part| part.parse().ok())?;
        }
        given.next().is_none().then_some(())?;
        let address = u32::from_be_bytes(bytes);
        let zeros = address.trailing_zeros() / 8 * 8;
        let mask = u32::MAX.checked_shl(zeros).unwrap_or(0);
        Some((address.into(), mask.into()))
    })
}

/// A line is an address, six hexadecimal numbers between colons, and a name.
fn address(database: &str, name: &str) -> Option<[u8; 6]> {
    lines(database).find_map(|mut words| {
        let (address, named) = (words.next()?, words.next()?);
        (named == name).then_some(())?;
        let mut bytes = [0; 6];
        let mut given = address.split(':');
        for byte in &mut bytes {
            *byte = u8::from_str_radix(given.next()?, 16).ok()?;
        }
        given.next().is_none().then_some(bytes)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_net_is_found_by_name_and_alias() {
        let database = "# comment\ndefault 0.0.0.0\nloopback\t127.0.0.0 lo # loop\n\
                        link-local 169.254.0.0\noffice 10.1.2\nbroken 10.x\nlong 1.2.3.4.5\n";
        for (name, expected) in [
            ("default", Some(([0, 0, 0, 0], [0, 0, 0, 0]))),
            ("loopback", Some(([127, 0, 0, 0], [255, 0, 0, 0]))),
            ("lo", Some(([127, 0, 0, 0], [255, 0, 0, 0]))),
            ("link-local", Some(([169, 254, 0, 0], [255, 255, 0, 0]))),
            ("office", Some(([10, 1, 2, 0], [255, 255, 255, 0]))),
            ("loop", None),
            ("broken", None),
            ("long", None),
            ("#", None),
        ] {
            let expected = expected.map(|(net, mask)| (Ipv4Addr::from(net), Ipv4Addr::from(mask)));
            assert_eq!(net(database, name), expected, "{name}");
        }
    }

    #[test]
    fn an_ethernet_address_is_found_by_name() {
        let database =
            "2:0:0:0:0:1 router # ours\n02:00:00:00:00:0A desk\n2:0 short\n2:0:0:0:0:1:9 long\n";
        assert_eq!(address(database, "router"), Some([2, 0, 0, 0, 0, 1]));
        assert_eq!(address(database, "desk"), Some([2, 0, 0, 0, 0, 10]));
        for name in ["short", "long", "ours", ""] {
            assert_eq!(address(database, name), None, "{name}");
        }
    }
}
