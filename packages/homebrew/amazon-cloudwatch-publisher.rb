# A template: scripts/release puts version, addresses and checksums in.
class AmazonCloudwatchPublisher < Formula
  desc "Publishes a machine's metrics and logs to Amazon CloudWatch"
  homepage "https://aws.amazon.com/cloudwatch/"
  version "@VERSION@"
  license any_of: ["MIT", "Apache-2.0"]

  on_macos do
    on_arm do
      url "@URL:aarch64-apple-darwin@"
      sha256 "@SHA256:aarch64-apple-darwin@"
    end
    on_intel do
      url "@URL:x86_64-apple-darwin@"
      sha256 "@SHA256:x86_64-apple-darwin@"
    end
  end

  on_linux do
    on_arm do
      url "@URL:aarch64-unknown-linux-gnu@"
      sha256 "@SHA256:aarch64-unknown-linux-gnu@"
    end
    on_intel do
      url "@URL:x86_64-unknown-linux-gnu@"
      sha256 "@SHA256:x86_64-unknown-linux-gnu@"
    end
  end

  def install
    bin.install "amazon-cloudwatch-publisher"
    pkgshare.install "configs"
    doc.install Dir["docs/*"]
  end

  # Not below /opt: a user of Homebrew writes there, and no service of the system.
  def post_install
    (var/"amazon-cloudwatch-publisher").mkpath
    (var/"log").mkpath
  end

  def caveats
    <<~EOS
      Before the first start, write a configuration that keeps its state and its log in Homebrew's folders:
        amazon-cloudwatch-publisher config create #{etc}/amazon-cloudwatch-publisher.json \\
          --template #{opt_pkgshare}/configs/amazon-cloudwatch-publisher-osx.json
      and give its "agent" these two keys:
        "state_folder": "#{var}/amazon-cloudwatch-publisher"
        "logfile": "#{var}/log/amazon-cloudwatch-publisher.log"
    EOS
  end

  service do
    run [opt_bin/"amazon-cloudwatch-publisher", "run", etc/"amazon-cloudwatch-publisher.json"]
    keep_alive true
    error_log_path var/"log/amazon-cloudwatch-publisher.stderr.log"
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/amazon-cloudwatch-publisher --version")
    assert_match "error", shell_output("#{bin}/amazon-cloudwatch-publisher validate missing.json 2>&1", 78)
  end
end
