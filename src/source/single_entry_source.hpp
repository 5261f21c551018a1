#pragma once

#include "source/data_source.hpp"

#include <string>

namespace backstay::core
{

/// One lane with one sequential file: what streams share. Derived classes open, read in order, and
/// judge.
class SingleEntrySource : public DataSource
{
public:
    explicit SingleEntrySource(std::string name);
    SessionPlan open(SnapshotView* parent, ProblemSink problems, std::stop_token stop) override;
    std::optional<SourceEntry> next(std::uint32_t lane) override;
    std::size_t read(std::uint32_t lane, std::uint64_t item, std::uint64_t offset,
                     MutableByteSpan buffer) override;
    std::optional<SnapshotStream::Extent> next_data(std::uint32_t lane, std::uint64_t item,
                                                    std::uint64_t offset) override;
    Outcome outcome(std::uint32_t lane, std::uint64_t item, Entry& now) override;
    void release(std::uint32_t lane, std::uint64_t item) override;
    void settle(bool committed) override;

protected:
    virtual void begin() = 0;
    /// The descriptor that bytes come from.
    virtual int descriptor() const = 0;
    const std::string& name() const { return name_; }
    const std::stop_token& stop() const { return stop_; }
    bool was_read() const { return was_read_; }
    /// Whether any of it was read, by this session or one before.
    bool was_begun() const { return was_begun_; }

private:
    std::string name_;
    std::stop_token stop_;
    bool given_ = false;
    bool was_read_ = false; ///< to its end
    bool was_begun_ = false;
};

} // namespace backstay::core
