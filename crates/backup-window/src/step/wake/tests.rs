use std::sync::Mutex;

use async_trait::async_trait;
use jiff::Timestamp;
use wol::testing::MemoryWaker;
use wol::{InterfaceFacts, InterfaceKind};

use super::*;
use crate::clock::SimulatedClock;

/// A service that gives these answers, each from that time on after the beginning.
#[derive(Debug)]
struct Service {
    name: &'static str,
    begun: Instant,
    says: Vec<(Duration, Answer)>,
    asked: Mutex<Vec<Duration>>,
}

impl Service {
    fn of(name: &'static str, says: &[(u64, Answer)]) -> Box<dyn Probe> {
        Box::new(Self {
            name,
            begun: Instant::now(),
            says: says
                .iter()
                .map(|(at, answer)| (Duration::from_millis(*at), answer.clone()))
                .collect(),
            asked: Mutex::default(),
        })
    }

    fn answer(&self) -> Answer {
        let now = self.begun.elapsed();
        let said = self.says.iter().rev().find(|(from, _)| *from <= now);
        said.map_or(Answer::Silent, |(_, answer)| answer.clone())
    }
}

#[async_trait]
impl Probe for Service {
    fn target(&self) -> String {
        self.name.to_owned()
    }

    /// As TCP is heard: what is silent when it is asked stays so until its time is over, whatever
    /// comes up meanwhile.
    async fn probe(&self, timeout: Duration) -> Answer {
        self.asked.lock().unwrap().push(self.begun.elapsed());
        let answer = self.answer();
        if matches!(answer, Answer::Silent | Answer::Mute) {
            tokio::time::sleep(timeout).await;
        }
        answer
    }
}

fn up() -> Answer {
    Answer::Up {
        detail: "SSH-2.0-x".to_owned(),
    }
}

fn waker() -> MemoryWaker {
    MemoryWaker::on(vec![
        InterfaceFacts::card("eno1", 2).with_address([192, 0, 2, 137], 24),
        InterfaceFacts::card("docker0", 3)
            .of_kind(InterfaceKind::Bridge)
            .with_address([172, 17, 0, 1], 16),
    ])
}

fn options() -> WakeOptions {
    WakeOptions::new("00:25:90:aa:bb:cc".parse().unwrap(), Aim::default())
}

/// The record, how many packets were sent, and how long it took.
async fn wake(
    waker: &MemoryWaker,
    probes: &[Box<dyn Probe>],
    options: &WakeOptions,
) -> (StepRecord, usize, Duration) {
    let clock = SimulatedClock::starting_at(Timestamp::UNIX_EPOCH);
    let begun = Instant::now();
    let record = run(&clock, waker, probes, options, &CancellationToken::new()).await;
    (record, waker.sent().len(), begun.elapsed())
}

fn found_off(record: &StepRecord) -> bool {
    let Outcome::Wake { found_off, .. } = record.outcome else {
        panic!("{:?}", record.outcome);
    };
    found_off
}

fn shown(record: &StepRecord) -> String {
    crate::night::render_step(record, &jiff::tz::TimeZone::UTC)
}

#[tokio::test(start_paused = true)]
async fn a_host_that_is_up_is_known_at_once_and_gets_no_second_packet() {
    let waker = waker();
    let probes = [Service::of("ssh:nas", &[(0, up())])];
    let (record, packets, took) = wake(&waker, &probes, &options()).await;
    assert_eq!(record.end, StepEnd::Done);
    assert_eq!(record.summary, "it was already up, and will be left up");
    assert!(!found_off(&record));
    assert!(packets <= 1, "{packets}");
    assert_eq!(took, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn the_first_packet_leaves_at_once_and_the_host_is_seen_within_one_interval() {
    for ready_at in [6_000, 45_050, 45_950, 46_000] {
        let waker = waker();
        let probes = [Service::of("ssh:nas", &[(ready_at, up())])];
        let (record, packets, took) = wake(&waker, &probes, &options()).await;
        assert_eq!(record.end, StepEnd::Done);
        assert_eq!(record.summary, "it was off, was woken, and is ready");
        assert!(found_off(&record));
        let ready_at = Duration::from_millis(ready_at);
        let late = took.checked_sub(ready_at).unwrap();
        assert!(
            late <= Duration::from_secs(1),
            "{late:?} after {ready_at:?}"
        );
        let rounds = 1 + took.as_secs() / 10;
        assert_eq!(u64::try_from(packets).unwrap(), rounds);
    }
}

#[tokio::test(start_paused = true)]
async fn what_answers_sooner_than_a_machine_boots_was_running() {
    for answer in [up(), Answer::Refused] {
        let waker = waker();
        let probes = [Service::of("ssh:nas", &[(900, answer), (3_000, up())])];
        let (record, packets, _) = wake(&waker, &probes, &options()).await;
        assert_eq!(record.end, StepEnd::Done);
        assert!(!found_off(&record), "{record:?}");
        assert!(record.summary.contains("not seen to be off"), "{record:?}");
        assert_eq!(packets, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_that_cannot_be_looked_up_does_not_make_the_host_ours_to_switch_off() {
    let failed = Answer::Failed {
        reason: "no such name".to_owned(),
    };
    let waker = waker();
    let probes = [Service::of("ssh:nas", &[(0, failed), (20_000, up())])];
    let (record, packets, _) = wake(&waker, &probes, &options()).await;
    assert_eq!(record.end, StepEnd::Done);
    assert!(!found_off(&record));
    assert!(packets >= 2, "it may well be asleep: {packets}");
}

#[tokio::test(start_paused = true)]
async fn a_host_that_goes_off_while_it_is_asked_gets_packets_again() {
    let waker = waker();
    let says = [
        (0, Answer::Refused),
        (15_000, Answer::Silent),
        (60_000, up()),
    ];
    let probes = [Service::of("ssh:nas", &says)];
    let (record, packets, _) = wake(&waker, &probes, &options()).await;
    assert_eq!(record.end, StepEnd::Done);
    assert!(!found_off(&record));
    assert_eq!(packets, 4, "from 20 s to 50 s");
}

#[tokio::test(start_paused = true)]
async fn it_is_ready_only_when_all_that_is_asked_answers() {
    let waker = waker();
    let probes = [
        Service::of("ssh:nas", &[(20_000, up())]),
        Service::of("tcp:nas:443", &[(20_000, Answer::Refused), (70_000, up())]),
    ];
    let (record, packets, took) = wake(&waker, &probes, &options()).await;
    assert_eq!(record.end, StepEnd::Done);
    assert!(took >= Duration::from_secs(70), "{took:?}");
    assert_eq!(packets, 2, "none once it answers at all");
    let shown = shown(&record);
    assert!(shown.contains("ssh:nas: answered"), "{shown}");
    assert!(shown.contains("tcp:nas:443: answered"), "{shown}");
    // And what they said on the way.
    assert!(shown.contains("ssh:nas: silent, "), "{shown}");
    assert!(shown.contains("tcp:nas:443: refused"), "{shown}");
}

#[tokio::test(start_paused = true)]
async fn a_host_that_never_wakes_leaves_a_report_that_helps() {
    let waker = waker();
    let probes = [Service::of("ssh:nas", &[]), Service::of("tcp:nas:443", &[])];
    let options = WakeOptions {
        deadline: Duration::from_secs(25),
        ..options()
    };
    let (record, _, took) = wake(&waker, &probes, &options).await;
    assert_eq!(record.end, StepEnd::DeadlinePassed);
    assert_eq!(took, options.deadline);
    assert!(found_off(&record), "whoever comes later must know");
    insta::assert_snapshot!(shown(&record), @r#"
    [TOO LATE]  wake       00:00:00 to 00:00:25  it was not ready within 25s, after 3 packets (ssh:nas: silent; tcp:nas:443: silent)
        00:00:00  this machine: interfaces used: eno1 (it is up and on a network); not used: docker0 (it is a bridge of Docker)
        00:00:01  ssh:nas and tcp:nas:443: no answer: silent
        00:00:25  this machine: magic packet sent 3 times to 192.0.2.255:9 on eno1
        00:00:25  ssh:nas: last answer, after 25 s: silent
        00:00:25  tcp:nas:443: last answer, after 25 s: silent
        attention: is it off, has it power and a cable, is 00:25:90:aa:bb:cc its network card, and is that on the network of an interface that was used? Routers, and some Wi-Fi, pass no broadcasts on
        attention: its BIOS: Wake On LAN enabled for the network card, ErP (deep sleep) disabled; some boards want C-states and C1E enabled
        attention: its system, while it is on: `ethtool IF` must show "Wake-on: g" (`ethtool -s IF wol g` sets it until the next boot); on FreeBSD and TrueNAS CORE, `ifconfig -m IF` must list WOL_MAGIC
    "#);
}

#[tokio::test(start_paused = true)]
async fn a_host_that_is_on_but_not_ready_is_told_from_one_that_sleeps() {
    let waker = waker();
    let probes = [Service::of("ssh:nas", &[(0, Answer::Refused)])];
    let (record, _, _) = wake(&waker, &probes, &options()).await;
    assert_eq!(record.end, StepEnd::DeadlinePassed);
    assert!(!found_off(&record));
    let [advice] = &record.attention[..] else {
        panic!("{:?}", record.attention);
    };
    assert!(advice.contains("the machine is on"), "{advice}");
}

#[tokio::test(start_paused = true)]
async fn an_own_address_ends_it_soon_with_the_right_one() {
    let waker = waker();
    let probes = [Service::of("ssh:nas", &[])];
    let options = WakeOptions {
        aim: Aim::at(vec!["192.0.2.137".parse().unwrap()]),
        ..options()
    };
    let (record, packets, took) = wake(&waker, &probes, &options).await;
    assert_eq!((record.end, packets), (StepEnd::Failed, 0));
    assert!(took <= FIRST_LOOK, "{took:?}");
    assert!(record.summary.contains("192.0.2.255"), "{}", record.summary);
}

#[tokio::test(start_paused = true)]
async fn without_an_interface_it_goes_on_looking_for_one_and_says_why_there_is_none() {
    let mut down = InterfaceFacts::card("eno1", 2).with_address([192, 0, 2, 137], 24);
    down.carrier = false;
    let waker = MemoryWaker::on(vec![down]);
    let probes = [Service::of("ssh:nas", &[])];
    let (record, packets, took) = wake(&waker, &probes, &options()).await;
    assert_eq!((record.end, packets), (StepEnd::DeadlinePassed, 0));
    assert_eq!(took, Duration::from_mins(10));
    let shown = shown(&record);
    assert!(shown.contains("no packet left this machine"), "{shown}");
    assert!(shown.contains("no cable is plugged in"), "{shown}");
}

#[tokio::test(start_paused = true)]
async fn the_password_is_in_the_packets_and_in_no_record() {
    let waker = waker();
    let probes = [Service::of("ssh:nas", &[(5_000, up())])];
    let options = WakeOptions {
        secure_on: Some([211, 212, 213, 214].into()),
        ..options()
    };
    let (record, _, _) = wake(&waker, &probes, &options).await;
    let (_, packet) = &waker.sent()[0];
    assert!(packet.as_bytes().ends_with(&[211, 212, 213, 214]));
    let told = format!("{record:?} {options:?}");
    assert!(!told.contains("211"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn a_signal_ends_the_wait_at_once() {
    let waker = waker();
    let probes = [Service::of("ssh:nas", &[])];
    let clock = SimulatedClock::starting_at(Timestamp::UNIX_EPOCH);
    let cancel = CancellationToken::new();
    let canceller = cancel.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(42)).await;
        canceller.cancel();
    });
    let begun = Instant::now();
    let record = run(&clock, &waker, &probes, &options(), &cancel).await;
    assert_eq!(record.end, StepEnd::Cancelled);
    assert_eq!(begun.elapsed(), Duration::from_secs(42));
    let shown = shown(&record);
    assert!(shown.contains("magic packet sent 5 times"), "{shown}");
    assert!(shown.contains("ssh:nas: last answer, after 4"), "{shown}");
}
