#include "target/archive_target.hpp"

#include "target/archive_comparison.hpp"
#include "target/archive_export.hpp"
#include "target/descriptor_writer.hpp"
#include "target/partial_file.hpp"
#include "target/utf8_locale.hpp"

#include <algorithm>
#include <fcntl.h>
#include <optional>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace backstay::core
{

namespace
{

/// Gathers libarchive's blocks into larger writes.
class GatheredWriter
{
public:
    explicit GatheredWriter(DescriptorWriter& out) : out_(out) { gathered_.reserve(most); }

    void write(ByteSpan bytes, const std::stop_token& stop)
    {
        if (gathered_.size() + bytes.size() > most) {
            flush(stop);
        }
        if (bytes.size() >= most) {
            out_.write(bytes, stop);
        } else {
            append(gathered_, bytes);
        }
    }

    void flush(const std::stop_token& stop)
    {
        out_.write(gathered_, stop);
        gathered_.clear();
    }

private:
    static constexpr std::size_t most = 1 * MiB;
    DescriptorWriter& out_;
    Bytes gathered_;
};

class ArchiveTarget final : public Target
{
public:
    explicit ArchiveTarget(ArchiveTargetOptions options) : options_(std::move(options))
    {
        if (options_.path.empty() && options_.descriptor < 0) {
            throw Error(ErrorCode::invalid, "an archive needs a file or a descriptor");
        }
    }

    void plan(SnapshotView& view, const TargetEvents& events, const std::stop_token&) override
    {
        const auto root = view.lookup("");
        const std::uint64_t bytes = root && root->subtree ? root->subtree->bytes : 0;
        PlanStep step{PlanStep::Kind::step, "create", options_.path, bytes, {}};
        if (is_taken()) {
            step.kind = PlanStep::Kind::conflict;
            step.action = "skip";
            step.message = "a file of this name is there";
        } else if (!options_.path.empty() && access(options_.path.c_str(), F_OK) == 0) {
            step.action = "replace";
        }
        if (events.plan) {
            events.plan(step);
        }
    }

    void run(SnapshotView& view, const TargetEvents& events, const std::stop_token& stop) override
    {
        if (is_taken()) {
            throw Error(ErrorCode::exists,
                        "a file of this name is there; it stays, unless told else", options_.path);
        }
        const auto root = view.lookup("");
        if (root && root->kind != EntryKind::directory) {
            throw Error(ErrorCode::invalid,
                        "a folder becomes an archive, not a file alone; name the folder it is in");
        }
        if (!options_.path.empty()) {
            partial_.emplace(options_.path);
        }
        start_ = lseek(descriptor(), 0, SEEK_CUR);
        const Utf8Locale locale;
        names_.emplace([&](const std::string& path) { return view.lookup(path).has_value(); });
        DescriptorWriter out(descriptor(), options_.path.empty() ? "the output" : options_.path);
        GatheredWriter gathered(out);
        ArchiveWriter writer(options_.format, [&](ByteSpan bytes) { gathered.write(bytes, stop); });
        ArchiveExport pass(view, options_.format, *names_, writer, events, stop);
        pass.run();
        gathered.flush(stop);
        members_ = pass.members();
    }

    void verify(SnapshotView& view, const TargetEvents& events,
                const std::stop_token& stop) override
    {
        const bool readable = (fcntl(descriptor(), F_GETFL) & O_ACCMODE) != O_WRONLY;
        if (start_ < 0 || !readable || !names_) {
            if (events.problem) {
                events.problem({ErrorCode::unsupported, options_.path,
                                "what was written cannot be read again, so not verified"});
            }
            return;
        }
        const Utf8Locale locale;
        compare_archive(descriptor(), static_cast<std::uint64_t>(start_), members_, view, *names_,
                        events, stop);
    }

    void commit() override
    {
        if (partial_) {
            partial_->put_in_place(options_.overwrite ? PartialFile::Existing::is_replaced
                                                      : PartialFile::Existing::stays);
            partial_.reset();
        }
    }

    void abandon() noexcept override { partial_.reset(); }

private:
    int descriptor() const { return partial_ ? partial_->descriptor() : options_.descriptor; }

    bool is_taken() const
    {
        struct stat status {
        };
        return !options_.path.empty() && !options_.overwrite &&
               lstat(options_.path.c_str(), &status) == 0;
    }

    const ArchiveTargetOptions options_;
    std::optional<PartialFile> partial_;
    off_t start_ = -1; ///< where it begins in the file; -1: it cannot be read again
    std::optional<ArchiveNames> names_;
    std::uint64_t members_ = 0;
};

} // namespace

std::unique_ptr<Target> make_archive_target(ArchiveTargetOptions options)
{
    return std::make_unique<ArchiveTarget>(std::move(options));
}

} // namespace backstay::core
