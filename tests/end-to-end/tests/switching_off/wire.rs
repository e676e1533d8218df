//! A wire that is cut, or goes silent, at each moment of the conversation.

use std::time::Duration;

use lab::faulty_wire::WireFault;
use lab::isolation::isolated;

use crate::matrix::through;
use crate::nas::{Nas, STAYS_ON, Settings};

/// How long each stage may take where something goes silent.
const DEADLINE: Duration = Duration::from_millis(1500);

/// How much longer a command may take than its deadline.
const GRACE: Duration = Duration::from_secs(1);

fn short(good: &Settings) -> Settings {
    Settings {
        deadline: u64::try_from(DEADLINE.as_millis()).unwrap(),
        ..good.clone()
    }
}

/// Everything that was known before the command was sent is an error and nothing ran; everything
/// afterwards is not known, and the NAS's silence decides. Whether the command ran can be both for
/// the one piece in which it was sent.
#[test]
fn a_connection_that_is_cut_at_each_piece() {
    isolated(|| {
        let nas = Nas::build(&["ed25519"], &[]);
        nas.wake();
        let good = nas.settings();
        let (wire, settings) = through(&nas, &good, WireFault::None);
        nas.shut_down(&settings, true)
            .expect(0, "the backup NAS is off");
        let pieces = wire.pieces();
        assert!(pieces > 8, "{pieces}");
        let (mut before, mut after) = (0, 0);
        for at in 1..=pieces {
            let (_wire, settings) = through(&nas, &good, WireFault::CutAt(at));
            let ran = nas.shut_down(&settings, false);
            println!(
                "cut at piece {at} of {pieces}: code {:?}, ran {} times",
                ran.code,
                ran.pressed.len()
            );
            match ran.code {
                Some(1) => {
                    assert!(ran.pressed.is_empty(), "{ran:#?}");
                    assert!(ran.said().contains("is still on: failed to "), "{ran:#?}");
                    before += 1;
                }
                // The NAS stays on here, which is what the confirmation sees.
                Some(3) => {
                    let sent = ran
                        .said()
                        .contains("the command was sent; whether it worked");
                    assert!(sent || ran.pressed.len() == 1, "{ran:#?}");
                    assert!(ran.said().contains("the backup NAS is not off"), "{ran:#?}");
                    after += 1;
                }
                _ => panic!("{ran:#?}"),
            }
        }
        println!("{before} cuts before the command, {after} afterwards");
        assert!(before > 5 && after > 0, "{before} {after}");

        // The same for the check, which sends nothing that switches off.
        let (wire, settings) = through(&nas, &good, WireFault::None);
        nas.check(&settings).expect(0, "do nothing else");
        let pieces = wire.pieces();
        let mut cut = 0;
        for at in (1..pieces).step_by(3) {
            let (_wire, settings) = through(&nas, &good, WireFault::CutAt(at));
            let ran = nas.check(&settings);
            assert!(ran.pressed.is_empty(), "{ran:#?}");
            // When all is proven, only the goodbye was cut.
            if ran.code != Some(0) {
                ran.expect(1, "failed to ");
                cut += 1;
            }
        }
        println!("{cut} cuts of a check of {pieces} pieces");
        assert!(cut > pieces / 6, "{cut}");
    });
}

#[test]
fn a_connection_that_is_cut_while_the_command_runs_and_when_it_has_ended() {
    isolated(|| {
        let nas = Nas::build(&["ed25519"], &[]);
        nas.wake();
        let good = nas.settings();
        let pressed = nas.dir.join("pressed");
        for then in ["sleep 300", "exit 0"] {
            nas.then(then);
            let cut = WireFault::CutOnceThereIs(pressed.clone());
            let (_wire, settings) = through(&nas, &good, cut.clone());
            let on = nas.shut_down(&settings, false);
            on.expect(3, "the connection was lost after the command was sent");
            on.expect(3, "the backup NAS is not off");
            assert_eq!(on.pressed, ["root now"], "{then}");

            // A power-off that works looks the same, and is told apart by the silence.
            let (_wire, settings) = through(&nas, &good, cut);
            let off = nas.shut_down(&settings, true);
            off.expect(0, "the backup NAS is off");
            assert_eq!(off.pressed, ["root now"], "{then}");
        }
        // It goes silent instead, as a machine that lost its power.
        nas.then("exit 0");
        let silent = WireFault::SilentOnceThereIs(pressed);
        let (_wire, settings) = through(&nas, &short(&good), silent);
        let off = nas.shut_down(&settings, true);
        off.expect(0, "the backup NAS is off");
        off.expect(0, "did not end within 1.5s");
    });
}

/// Silent from each piece on: one deadline, of the stage that is then reached, and its exit code.
#[test]
fn a_connection_that_goes_silent_at_each_piece() {
    isolated(|| {
        let nas = Nas::build(&["ed25519"], &[]);
        nas.wake();
        let good = nas.settings();
        let (wire, settings) = through(&nas, &good, WireFault::None);
        let undisturbed = nas.check(&settings);
        undisturbed.expect(0, "do nothing else");
        let pieces = wire.pieces();
        let short = short(&good);
        let mut heard = 0;
        let mut stages = std::collections::BTreeMap::<String, usize>::new();
        for at in 1..pieces {
            let (_wire, settings) = through(&nas, &short, WireFault::SilentAt(at));
            let ran = nas.check(&settings);
            assert!(ran.pressed.is_empty(), "{ran:#?}");
            if ran.code == Some(0) {
                // The goodbye alone went unheard.
                ran.expect(0, "and do nothing else");
                heard += 1;
                continue;
            }
            ran.expect(3, "within 1.5s");
            let limit = undisturbed.took + DEADLINE + GRACE;
            assert!(
                ran.took < limit,
                "{at} of {pieces}: {:?} of {limit:?}",
                ran.took
            );
            let stage = ran.err.split("failed to ").nth(1).unwrap();
            let stage = stage.split(" shutdown@").next().unwrap().to_owned();
            *stages.entry(stage).or_default() += 1;
        }
        println!("silent at each of {pieces} pieces: {stages:?}; {heard} times only the goodbye");
        assert!(heard < pieces / 2, "{heard}");
        for stage in [
            "connect to",
            "log in at",
            "find out what the account may do at",
        ] {
            assert!(stages.contains_key(stage), "{stage}: {stages:?}");
        }

        // Switching off: what was not sent is an error, what was may have happened.
        let (wire, settings) = through(&nas, &good, WireFault::None);
        let undisturbed = nas.shut_down(&settings, true);
        undisturbed.expect(0, "the backup NAS is off");
        let pieces = wire.pieces();
        let mut codes = Vec::new();
        for at in 1..=pieces {
            let (_wire, settings) = through(&nas, &short, WireFault::SilentAt(at));
            let ran = nas.shut_down(&settings, false);
            let sent = ran
                .said()
                .contains("the command was sent, but did not end within 1.5s")
                || ran.said().contains("took the command");
            assert_eq!(ran.code, Some(3), "{at} of {pieces}: {ran:#?}");
            assert!(
                sent || ran.said().contains("is still on: failed to "),
                "{ran:#?}"
            );
            assert!(sent || ran.pressed.is_empty(), "{ran:#?}");
            // The confirmation takes its own time.
            let confirmed = Duration::from_secs(STAYS_ON);
            let limit = undisturbed.took + DEADLINE + confirmed + GRACE;
            assert!(
                ran.took < limit,
                "{at} of {pieces}: {:?} of {limit:?}",
                ran.took
            );
            codes.push(if sent { 's' } else { '-' });
        }
        let codes: String = codes.into_iter().collect();
        println!("silent at each of {pieces} pieces: {codes} (s: sent, and not known)");
        assert!(codes.starts_with('-') && codes.contains('s'), "{codes}");
    });
}
