#pragma once

#include <backstay/record.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace command
{

/// "1.50 GiB".
std::string size_text(std::uint64_t bytes);
/// "1h02m", "12.3s".
std::string duration_text(double seconds);
/// A time field, in local time: "2026-11-25 14:03:07".
std::string time_text(const backstay::Record& record, const char* name);
/// Raw bytes so that a terminal is safe from them: control characters and what is no UTF-8 as \xNN.
std::string printable(const std::string& bytes);
/// What is in a snapshot as SNAPSHOT:PATH takes it: files by their absolute path.
std::string path_text(const std::string& path);
std::string joined(const std::vector<std::string>& parts, const char* separator);
/// The first digits of an id: enough to type.
std::string short_id(const std::string& id);

/// Columns as wide as their widest cell; the last is not padded.
class Table
{
public:
    void add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
    std::vector<std::string> lines() const;

private:
    std::vector<std::vector<std::string>> rows_;
};

/// The candidate nearest to a mistyped word; "" if none is near.
std::string nearest(const std::string& word, const std::vector<std::string>& candidates);

} // namespace command
