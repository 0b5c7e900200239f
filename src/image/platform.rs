//! The platform of an image, as an index and a configuration name it.

use std::fmt;

use super::json::Json;

/// The platform of an image. Displays as `linux/arm64/v8`; `windows/amd64 10.0.17763`; empty parts are left out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Platform {
    /// The operating system, in the words of Go's `GOOS`; empty when it is not told.
    pub os: String,
    /// The processor, in the words of Go's `GOARCH`; empty when it is not told.
    pub architecture: String,
    /// The variant of the processor: `v7`.
    pub variant: Option<String>,
    /// The version of the operating system, for Windows.
    pub os_version: Option<String>,
}

impl Platform {
    /// Reads the members of an index's `platform`, which a configuration has among its own.
    pub(super) fn read(json: Json<'_>) -> Self {
        let [os, architecture, variant, os_version] =
            json.members(["os", "architecture", "variant", "os.version"]);
        Self {
            os: os.and_then(Json::text).unwrap_or_default(),
            architecture: architecture.and_then(Json::text).unwrap_or_default(),
            variant: variant.and_then(Json::words),
            os_version: os_version.and_then(Json::words),
        }
    }

    /// Returns true if it names neither system nor processor, as the configuration of an artifact.
    pub fn is_empty(&self) -> bool {
        self.os.is_empty() && self.architecture.is_empty()
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [self.os.as_str(), &self.architecture, self.variant.as_deref().unwrap_or_default()];
        let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        f.write_str(&parts.join("/"))?;
        self.os_version.as_ref().map_or(Ok(()), |version| write!(f, " {version}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platforms_are_written_as_docker_writes_them() {
        for (json, shown) in [
            (r#"{"os":"linux","architecture":"amd64"}"#, "linux/amd64"),
            (r#"{"os":"linux","architecture":"arm64","variant":"v8","os.features":["x"]}"#, "linux/arm64/v8"),
            (
                r#"{"os":"windows","architecture":"amd64","os.version":"10.0.17763"}"#,
                "windows/amd64 10.0.17763",
            ),
            (r#"{"os":1,"architecture":"arm","variant":""}"#, "arm"),
            ("{}", ""),
            ("[1]", ""),
        ] {
            let platform = Platform::read(Json::read(json).unwrap());
            assert_eq!((platform.to_string().as_str(), platform.is_empty()), (shown, shown.is_empty()));
        }
    }
}
