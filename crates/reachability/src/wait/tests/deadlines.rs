//! However a host answers, no wait takes longer than it may.

use std::time::Duration;

use proptest::prelude::*;
use tokio::time::Instant;

use super::{Script, failed, up};
use crate::{Answer, DownOptions, UpOptions, wait_until_down, wait_until_up};

fn answers() -> impl Strategy<Value = Vec<(usize, Answer)>> {
    let answer = prop_oneof![
        Just(up()),
        Just(failed()),
        Just(Answer::Refused),
        Just(Answer::Mute),
        Just(Answer::Silent),
    ];
    prop::collection::vec((1..9_usize, answer), 1..9)
}

fn seconds(most: u64) -> impl Strategy<Value = Duration> {
    (0..most * 1000).prop_map(Duration::from_millis)
}

/// Runs with a clock that does not wait.
fn paused<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(future)
}

proptest! {
    #[test]
    fn no_wait_outlasts_its_deadline_by_more_than_a_second(
        answers in answers(),
        ignores_its_timeout: bool,
        count in 0..6_u32,
        [interval, timeout, silence, deadline] in
            [seconds(5), seconds(5), seconds(60), seconds(120)],
    ) {
        let script = || {
            let mut script = Script::new(answers.clone());
            script.ignores_its_timeout = ignores_its_timeout;
            script
        };
        let most = deadline + Duration::from_millis(1001);
        let took = paused(async {
            let options = UpOptions { successes: count, interval, timeout, deadline };
            let begin = Instant::now();
            let _ = wait_until_up(&script(), &options, &mut |_| ()).await;
            begin.elapsed()
        });
        prop_assert!(took <= most, "{took:?}");

        let (took, result) = paused(async {
            let options = DownOptions {
                failures: count,
                silence,
                reboot: silence / 4,
                interval,
                timeout,
                deadline,
            };
            let begin = Instant::now();
            let result = wait_until_down(&script(), &options, &mut |_| ()).await;
            (begin.elapsed(), result)
        });
        prop_assert!(took <= most, "{took:?}");
        if let Ok(wait) = result {
            // Whatever it saw before, it was silent at the end, and for long enough.
            let last = wait.observations.last().unwrap();
            prop_assert_eq!(&last.answer, &Answer::Silent);
            prop_assert!(last.times >= u64::from(count.max(1)));
            prop_assert!(wait.took >= silence);
        }
    }
}
