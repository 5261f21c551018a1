#include "codec/blob_id.hpp"
