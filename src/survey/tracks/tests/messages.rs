//! What ICMP messages say, held against what was there: replies, errors, redirects.

use super::*;

#[test]
fn replies_of_hosts_that_were_not_asked_are_smurf() {
    let mut scene = Scene::new();
    scene.pass(request(A, B + 255, 1, 1));
    for host in 0..5 {
        scene.pass(reply(B + host, A, 1, 1));
    }
    let expected = (Anomaly::Icmpv4Smurf, 4, vec![1, 2, 3]);
    assert_eq!(scene.heard, [expected]);
    let mut scene = Scene::new();
    scene.pass(PASSING);
    for host in 0..9 {
        scene.pass(reply(B + host, A, 5, 1));
    }
    assert_eq!(scene.ids(), [("icmpv4.smurf", 9)]);
}

#[test]
fn replies_that_were_asked_for_are_not() {
    let mut scene = Scene::new();
    // A sweep with one identifier and sequence number, a group, and a capture that does not see
    // what the victim sends.
    for host in 0..20 {
        scene.pass(request(A, B + host, 1, 1));
    }
    scene.pass(request(A, 0xe000_0001, 2, 1));
    for host in 0..20 {
        scene.pass(reply(B + host, A, 1, 1));
        scene.pass(reply(B + host, A, 2, 1));
        scene.pass(reply(B + host, 77, 3, 1));
    }
    // A sweep that counts.
    for host in 0..20 {
        scene.pass(request(A, B + host, 4, u16::try_from(host).unwrap()));
    }
    for host in 0..20 {
        scene.pass(reply(B + host, A, 4, u16::try_from(host).unwrap()));
    }
    assert_eq!(scene.heard, []);
    let mut scene = Scene::filtered();
    scene.pass(PASSING);
    for host in 0..20 {
        scene.pass(reply(B + host, A, 5, 1));
    }
    assert_eq!(scene.heard, []);
}

#[test]
fn an_error_about_a_flow_that_was_not_there() {
    let asks = |from| Passing {
        flow: flow(A, B, UDP, from, 53),
        ..PASSING
    };
    let mut scene = Scene::new();
    scene.pass(asks(40_000));
    scene.wait(9000);
    // The capture is too young to know.
    scene.pass(error(B, 3, 0, asks(40_002).flow));
    scene.wait(2000);
    scene.pass(asks(40_001));
    scene.pass(error(B, 3, 0, asks(40_001).flow));
    scene.pass(error(B, 3, 0, asks(40_000).flow));
    // Nothing is known of other services, nor of what others were told.
    scene.pass(error(B, 3, 0, flow(A, B, UDP, 40_000, 54)));
    scene.pass(error(B, 3, 0, flow(A, B, TCP, 40_002, 53)));
    scene.pass(error(B, 11, 0, flow(B, A, UDP, 40_002, 53)));
    assert_eq!(scene.heard, []);
    scene.pass(error(B, 3, 0, asks(40_002).flow));
    assert_eq!(scene.heard, [(Anomaly::Icmpv4QuoteUnseen, 9, vec![3])]);
    let mut scene = Scene::filtered();
    scene.pass(asks(40_000));
    scene.wait(20_000);
    scene.pass(error(B, 3, 0, asks(40_002).flow));
    assert_eq!(scene.heard, []);
}

#[test]
fn redirects_agree_or_lead_on() {
    let about = flow(A, B, ICMP, 1, 0);
    let mut scene = Scene::new();
    scene.pass(error(10, 5, 11, about));
    scene.pass(error(10, 5, 11, about));
    scene.pass(error(11, 5, 12, about));
    assert_eq!(scene.heard, []);
    // Back to where it came from.
    scene.pass(error(12, 5, 11, about));
    let expected = (Anomaly::Icmpv4RedirectContradiction, 4, vec![3]);
    assert_eq!(scene.heard, [expected]);
    scene.wait(61_000);
    scene.pass(error(99, 5, 98, about));
    assert_eq!(scene.heard.len(), 1, "that was long ago");
}
