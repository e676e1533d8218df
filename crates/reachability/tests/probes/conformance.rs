//! Every probe, the mock included, is held to the same contract, on the loopback interface.

use reachability::testing::{Scene, check};
use reachability::{Answer, IcmpProbe, MockProbe, Probe, ProbeSpec};

use crate::https::Web;
#[cfg(target_os = "linux")]
use crate::servers::silent_port;
use crate::servers::{Then, closed_port, say};

fn probe(spec: &str) -> Box<dyn Probe> {
    spec.parse::<ProbeSpec>().unwrap().build().unwrap()
}

#[tokio::test]
async fn tcp() {
    let open = say(b"", Then::KeepOpen).await;
    let closed = closed_port().await;
    check(&*probe(&format!("tcp:127.0.0.1:{open}")), Scene::Up).await;
    check(&*probe(&format!("tcp:127.0.0.1:{closed}")), Scene::Refused).await;
    check(&*probe("tcp:no-such-host.invalid:22"), Scene::Failed).await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn every_probe_of_a_port_where_nothing_comes_back() {
    let silent = silent_port();
    let port = silent.port;
    for spec in [
        format!("tcp:127.0.0.1:{port}"),
        format!("ssh:127.0.0.1:{port}"),
        format!("https://127.0.0.1:{port}/"),
    ] {
        check(&*probe(&spec), Scene::Silent).await;
    }
}

#[tokio::test]
async fn ssh() {
    let ssh = say(b"SSH-2.0-x\r\n", Then::KeepOpen).await;
    let mute = say(b"", Then::KeepOpen).await;
    let other = say(b"220 mail\r\n\0", Then::KeepOpen).await;
    let closed = closed_port().await;
    for (port, scene) in [
        (ssh, Scene::Up),
        (mute, Scene::Mute),
        (other, Scene::Failed),
        (closed, Scene::Refused),
    ] {
        check(&*probe(&format!("ssh:127.0.0.1:{port}")), scene).await;
    }
}

#[tokio::test]
async fn https() {
    let well = Web::serve("HTTP/1.1 200 OK").await;
    check(&*probe(&well.pinned("/")), Scene::Up).await;
    let ill = Web::serve("HTTP/1.1 503 Service Unavailable").await;
    check(&*probe(&ill.pinned("/")), Scene::NotReady).await;
    let mute = say(b"", Then::KeepOpen).await;
    let closed = closed_port().await;
    for (port, scene) in [(mute, Scene::Mute), (closed, Scene::Refused)] {
        check(&*probe(&format!("https://127.0.0.1:{port}/")), scene).await;
    }
    // A certificate that nobody vouches for.
    check(&*probe(&well.unpinned("/")), Scene::Failed).await;
}

#[tokio::test]
async fn icmp() {
    match IcmpProbe::open("127.0.0.1") {
        Ok(probe) => {
            check(&probe, Scene::Up).await;
            let nowhere = IcmpProbe::open("no-such-host.invalid").unwrap();
            check(&nowhere, Scene::Failed).await;
        }
        // Where this process may not ask, it is told so, and what would help.
        Err(unavailable) => {
            let text = unavailable.to_string();
            assert!(text.contains("net.ipv4.ping_group_range"), "{text}");
            let kind = unavailable.source.kind();
            assert_eq!(kind, std::io::ErrorKind::PermissionDenied, "{text}");
        }
    }
}

#[tokio::test]
async fn the_mock() {
    for (answer, scene) in [
        (Answer::Refused, Scene::Refused),
        (Answer::Silent, Scene::Silent),
    ] {
        let mut mock = MockProbe::new();
        mock.expect_target().return_const("mock".to_owned());
        mock.expect_probe().returning(move |_| answer.clone());
        check(&mock, scene).await;
    }
}
