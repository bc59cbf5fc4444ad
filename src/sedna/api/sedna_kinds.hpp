// The schemas of the eleven kinds (spec and status), made in each kind's own file. For the registry alone.
#pragma once

#include "sedna/api/schema.hpp"

namespace sedna::api {

const Schema* dataset_schema();
const Schema* model_schema();
const Schema* joint_inference_service_schema();
const Schema* incremental_learning_job_schema();
const Schema* federated_learning_job_schema();
const Schema* lifelong_learning_job_schema();
const Schema* object_search_service_schema();
const Schema* object_tracking_service_schema();
const Schema* feature_extraction_service_schema();
const Schema* video_analytics_job_schema();
const Schema* reid_job_schema();

}  // namespace sedna::api
