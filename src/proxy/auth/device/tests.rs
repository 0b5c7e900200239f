//! Codes over their time, and what strangers may take of the table.

use super::*;
use crate::state::Stamp;

fn request(ip: &str) -> DeviceRequest {
    DeviceRequest {
        address: ip.parse().ok(),
        host_name: "laptop".to_owned(),
        comment: String::new(),
        repositories: String::new(),
        access: "pull".to_owned(),
        days: None,
        asked: SystemTime::UNIX_EPOCH,
    }
}

fn grant() -> Grant {
    let session = Session {
        account: "ada".to_owned(),
        auth_source: None,
        id: "s".to_owned(),
        issued_at: 0,
        expires_at: 0,
        stamp: Stamp::default(),
    };
    Grant {
        session: Ok(session),
        account: "ada".to_owned(),
        password: None,
        source: Source::Users,
        comment: String::new(),
        scopes: String::new(),
        days: 1,
    }
}

struct Begun<'d> {
    logins: &'d DeviceLogins,
    codes: Codes,
    began: Instant,
}

impl<'d> Begun<'d> {
    fn with(logins: &'d DeviceLogins, began: Instant) -> Self {
        let codes = logins.begin(request("10.0.0.1"), began).ok().unwrap();
        Self { logins, codes, began }
    }

    fn poll(&self, seconds: u64) -> &'static str {
        match self.logins.poll(self.codes.device.expose(), self.began + Duration::from_secs(seconds)) {
            Poll::Pending => "pending",
            Poll::TooSoon => "slow_down",
            Poll::Allowed(grant, request) => {
                assert_eq!((grant.account.as_str(), request.host_name.as_str()), ("ada", "laptop"));
                "allowed"
            }
            Poll::Refused => "refused",
            Poll::Expired => "expired",
            Poll::Unknown => "unknown",
            Poll::NoState => "no state",
        }
    }

    fn answer(&self, grant: Option<Grant>, seconds: u64) -> Result<(), WrongCode> {
        let (code, now) = (self.codes.user.to_string(), self.began + Duration::from_secs(seconds));
        self.logins.answer(&code, "ada", grant, now).map(drop)
    }
}

#[test]
fn rfc8628_a_program_that_asks_too_often_is_slowed_down_for_good() {
    let logins = DeviceLogins::default();
    let begun = Begun::with(&logins, Instant::now());
    assert_eq!([0, 5, 9].map(|at| begun.poll(at)), ["pending", "pending", "slow_down"]);
    // Ten seconds from the last question on.
    assert_eq!([18, 33, 48].map(|at| begun.poll(at)), ["slow_down", "pending", "pending"]);
}

#[test]
fn rule_65_a_code_works_once() {
    let logins = DeviceLogins::default();
    let begun = Begun::with(&logins, Instant::now());
    begun.answer(Some(grant()), 1).unwrap();
    assert_eq!(begun.answer(None, 1), Err(WrongCode::Unknown), "it was answered");
    assert_eq!([2, 3, 20].map(|at| begun.poll(at)), ["allowed", "unknown", "unknown"]);
    let refused = Begun::with(&logins, Instant::now());
    refused.answer(None, 1).unwrap();
    assert_eq!(refused.answer(Some(grant()), 1), Err(WrongCode::Unknown), "it was answered");
    assert_eq!([2, 3].map(|at| refused.poll(at)), ["refused", "unknown"]);
    let counts = logins.counts();
    assert_eq!(counts[..3], [("begun", 2), ("allowed", 1), ("refused", 1)]);
}

#[test]
fn rule_65_a_code_is_good_for_ten_minutes_for_both_sides() {
    let logins = DeviceLogins::default();
    let [late, allowed] = [(); 2].map(|()| Begun::with(&logins, Instant::now()));
    assert_eq!(late.answer(Some(grant()), 600), Err(WrongCode::Unknown));
    allowed.answer(Some(grant()), 599).unwrap();
    assert_eq!([late.poll(599), late.poll(600)], ["pending", "expired"]);
    assert_eq!(allowed.poll(600), "expired", "allowed in time, and fetched too late");
    // The next program that asks takes them out.
    let _next = Begun::with(&logins, late.began + Duration::from_secs(661));
    assert_eq!([late.poll(662), allowed.poll(662)], ["unknown", "unknown"]);
    assert_eq!(logins.table.lock().by_user_code.len(), 1);
}

#[test]
fn rule_65_strangers_hold_a_bounded_number_of_codes() {
    let (logins, now) = (DeviceLogins::default(), Instant::now());
    let takes = |ip: &str, most: usize| (0..most).filter(|_| logins.begin(request(ip), now).is_ok()).count();
    assert_eq!(takes("10.0.0.1", 100), MOST_OF_CLIENT);
    assert_eq!(
        takes("2001:db8:1::1", 100) + takes("2001:db8:1:1::1", 100) + takes("2001:db8:1:100::1", 100),
        32
    );
    assert_eq!(takes("", 2000), MOST_WITHOUT_ADDRESS, "no address is known");
    let held = || {
        let table = logins.table.lock();
        (table.waiting.len(), table.by_user_code.len())
    };
    let flood = || (0..256).map(|n| takes(&format!("10.1.{}.{}", n / 16, n % 16), 40)).sum::<usize>();
    assert!(flood() > MOST / 2);
    assert_eq!(held(), (MOST, MOST));
    // A client with none has a place all the same, and keeps it.
    let late = logins.begin(request("10.2.0.1"), now).ok().unwrap();
    flood();
    assert_eq!(held(), (MOST, MOST));
    assert!(matches!(logins.poll(late.device.expose(), now), Poll::Pending));
    // Where each has one, none is given up.
    let logins = DeviceLogins::default();
    let takes = |ip: &str, most: usize| (0..most).filter(|_| logins.begin(request(ip), now).is_ok()).count();
    let each: usize = (0..MOST).map(|n| takes(&format!("10.{}.{}.1", n / 256, n % 256), 1)).sum();
    assert_eq!((each, takes("10.200.0.1", 1)), (MOST, 0));
    assert!(logins.refused() > 0);
    let later = now + LIFETIME + TOLD_LONGER;
    assert!(logins.begin(request("10.0.0.1"), later).is_ok());
    assert_eq!(logins.table.lock().waiting.len(), 1);
    assert_eq!(logins.shares.held(), 1);
}

#[test]
fn rule_65_wrong_codes_are_counted_for_each_account_and_right_ones_are_not() {
    let (logins, now) = (DeviceLogins::default(), Instant::now());
    let begun = Begun::with(&logins, now);
    let right = begun.codes.user.to_string();
    let ask = |code: &str, account: &str, now| logins.asked(code, account, now).map(|(user, _)| user);
    for _ in 0..50 {
        assert_eq!(ask(&right, "ada", now), Ok(begun.codes.user));
    }
    for (wrong, account) in (0..10).zip(["eve", "EVE", "Eve", " eve", "eve\u{200b}"].iter().cycle()) {
        let wrong = if wrong % 2 == 0 { "BBBB-BBBB" } else { "no code" };
        assert_eq!(ask(wrong, account, now), Err(WrongCode::Unknown));
    }
    let wait = Duration::from_secs(60);
    assert_eq!(ask(&right, "eve", now), Err(WrongCode::TooMany(wait)), "nor does a right one tell");
    assert_eq!(logins.answer(&right, "eve", Some(grant()), now).map(drop), Err(WrongCode::TooMany(wait)));
    assert_eq!(ask(&right, "ada", now), Ok(begun.codes.user), "another account");
    assert_eq!(ask("BBBB-BBBB", "eve", now + wait), Err(WrongCode::Unknown));
    assert_eq!(ask(&right, "eve", now + wait), Err(WrongCode::TooMany(wait)));
}

#[test]
fn rule_16_no_code_is_printed() {
    let logins = DeviceLogins::default();
    let begun = Begun::with(&logins, Instant::now());
    let printed = format!("{logins:?} {:?}", begun.codes.device);
    assert_eq!(printed, "DeviceLogins ***");
}
