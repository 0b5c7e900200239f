//! The screens on which the pages are looked at: a desk's or a phone's, by day or by night.

use serde_json::json;

use crate::support::browser::Browser;

/// A screen, and what its owner prefers.
#[derive(Debug, Clone, Copy)]
pub struct Screen {
    /// `desktop-light` and the like.
    pub name: &'static str,
    /// In pixels.
    pub width: u32,
    height: u32,
    scheme: &'static str,
}

/// The four that all is looked at on.
pub const SCREENS: [Screen; 4] = [
    Screen { name: "desktop-light", width: 1280, height: 900, scheme: "light" },
    Screen { name: "desktop-dark", width: 1280, height: 900, scheme: "dark" },
    Screen { name: "phone-light", width: 390, height: 844, scheme: "light" },
    Screen { name: "phone-dark", width: 390, height: 844, scheme: "dark" },
];

/// The narrowest that there are, and what 1280 pixels become at 400 % (WCAG 2.2, 1.4.10).
pub const NARROW: Screen = Screen { name: "narrow", width: 320, height: 700, scheme: "light" };

impl Screen {
    /// Puts it before the browser, for this page and all to come; it is looked at from its beginning.
    pub fn show(self, browser: &Browser) {
        let Self { width, height, scheme, .. } = self;
        // As a phone all of them: its scrollbars take no room.
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": true});
        browser.devtools("Emulation.setDeviceMetricsOverride", &size);
        // Colours that change slowly would be looked at on their way.
        let media = json!({"features": [
            {"name": "prefers-color-scheme", "value": scheme}, {"name": "prefers-reduced-motion", "value": "reduce"},
        ]});
        browser.devtools("Emulation.setEmulatedMedia", &media);
        browser.run("scrollTo(0, 0)");
    }
}
