#pragma once

#include "net/header_list.hpp"

#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace backstay::core
{

/// What of a FakeS3's objects lies in archive classes of storage, and how far it has come out.
/// Thread-safe.
class FakeArchive
{
public:
    /// Comes out, once it is asked for, when it has been looked at `looks` times.
    void put(const std::string& key, const std::string& storage_class, int looks = 1)
    {
        const std::lock_guard lock(mutex_);
        objects_[key] = {storage_class, State::archived, looks, looks};
    }
    /// The copy that was given out has ended. The server may go on telling of it for a while.
    void expire(const std::string& key, bool still_told)
    {
        const std::lock_guard lock(mutex_);
        objects_.at(key).state = still_told ? State::ended : State::archived;
    }
    /// Bodies of the requests that were granted, by key.
    std::vector<std::pair<std::string, std::string>> granted() const
    {
        const std::lock_guard lock(mutex_);
        return granted_;
    }
    /// Answers to further requests to give something out; empty: as they deserve.
    void refuse_with(const std::string& code)
    {
        const std::lock_guard lock(mutex_);
        refusal_ = code;
    }

    bool is_readable(const std::string& key) const
    {
        const std::lock_guard lock(mutex_);
        const auto found = objects_.find(key);
        return found == objects_.end() || found->second.state == State::out;
    }

    /// What HEAD says of it.
    HeaderList look(const std::string& key)
    {
        const std::lock_guard lock(mutex_);
        const auto found = objects_.find(key);
        if (found == objects_.end()) {
            return {};
        }
        Object& object = found->second;
        HeaderList headers{{"x-amz-storage-class", object.storage_class}};
        if (object.state == State::coming && object.looks_left-- == 0) {
            object.state = State::out;
        }
        const bool tiered = object.storage_class == "INTELLIGENT_TIERING";
        if (tiered && object.state != State::out) {
            headers.emplace_back("x-amz-archive-status", "DEEP_ARCHIVE_ACCESS");
        }
        if (object.state == State::coming) {
            headers.emplace_back("x-amz-restore", "ongoing-request=\"true\"");
        } else if (object.state != State::archived && !tiered) {
            const char* year = object.state == State::out ? "2099" : "2020";
            headers.emplace_back("x-amz-restore",
                                 std::string("ongoing-request=\"false\", expiry-date=\"Fri, 01 "
                                             "Jan ") +
                                     year + " 00:00:00 GMT\"");
        }
        return headers;
    }

    /// Asked to give it out: the status, and the code of the refusal, if it is one.
    std::pair<int, std::string> give_out(const std::string& key, const std::string& body)
    {
        const std::lock_guard lock(mutex_);
        const auto found = objects_.find(key);
        if (found == objects_.end()) {
            return {403, "ObjectAlreadyInActiveTierError"};
        }
        Object& object = found->second;
        if (!refusal_.empty() || object.state == State::coming) {
            return {409, refusal_.empty() ? "RestoreAlreadyInProgress" : refusal_};
        }
        const bool has_days = body.find("<Days>") != std::string::npos;
        if (has_days == (object.storage_class == "INTELLIGENT_TIERING")) {
            return {400, "MalformedXML"};
        }
        if (object.storage_class == "DEEP_ARCHIVE" && body.find("Expedited") != std::string::npos) {
            return {503, "GlacierExpeditedRetrievalNotAvailable"};
        }
        object.state = State::coming;
        object.looks_left = object.looks;
        granted_.emplace_back(key, body);
        return {202, ""};
    }

private:
    enum class State { archived, coming, out, ended };
    struct Object {
        std::string storage_class;
        State state;
        int looks;
        int looks_left;
    };

    mutable std::mutex mutex_; // guards all below
    std::map<std::string, Object> objects_;
    std::vector<std::pair<std::string, std::string>> granted_;
    std::string refusal_;
};

} // namespace backstay::core
