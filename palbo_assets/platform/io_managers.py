"""IO managers: publish a step's rows into the warehouse or as Parquet, and load the rows that a partition needs.

No pickle anywhere: the default file-system IO manager executes what it loads and isn't atomic.
"""

# No postponed annotations here: Dagster reads ResourceDependency fields at class creation.
from typing import TYPE_CHECKING, Any

import dagster as dg

from palbo_assets.platform.errors import PalboError
from palbo_assets.platform.partitioning import Level
from palbo_assets.platform.product import SPECS, Publication, Unchanged
from palbo_assets.platform.provenance import ProductSpec
from palbo_assets.platform.resources import InstallationResource
from palbo_assets.platform.tables import Storage
from palbo_assets.platform.warehouse import Published

if TYPE_CHECKING:
    import pandas as pd


class TableIOManager(dg.ConfigurableIOManager):  # type: ignore[misc]
    """Writes a partition's rows in one transaction; reads the upstream rows that concern a partition.

    Where the rows live (SQL or a content-addressed Parquet file) is the table's own declaration.
    """

    installation: dg.ResourceDependency[InstallationResource]

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        if not isinstance(obj, Publication | Unchanged):
            raise TypeError(f"{context.asset_key.to_user_string()} must be declared with @product")
        spec = SPECS[context.asset_key.path[-1]]
        key = "" if spec.level is Level.COHORT else context.partition_key
        warehouse = self.installation.warehouse
        if isinstance(obj, Unchanged):
            context.add_output_metadata(self._describe(spec, warehouse.versions(spec.name)[spec.name, key]))
            return
        try:
            published = warehouse.publish(
                spec.table, key, obj.frame, obj.version, run_id=context.run_id, token=obj.token
            )
        except PalboError as error:
            raise dg.Failure(str(error), metadata={"code": error.code}, allow_retries=False) from None
        context.add_output_metadata(self._describe(spec, published))

    def _describe(self, spec: ProductSpec, published: Published) -> dict[str, Any]:
        """What people see of a published partition, whether this run wrote it or found it up to date."""
        metadata: dict[str, Any] = {
            "dagster/row_count": published.n_rows,
            "content_sha256": published.content_sha256,
            "data_version": published.data_version,
        }
        if spec.table.storage is Storage.PARQUET:
            file = self.installation.warehouse.product_file(spec.name, published.partition_key)
            metadata["dagster/uri"] = file.as_uri()
        return metadata

    def load_input(self, context: dg.InputContext) -> "pd.DataFrame":
        upstream = SPECS[context.asset_key.path[-1]]
        level = Level(context.definition_metadata["level"])
        key = context.partition_key if context.has_partition_key and level is not Level.COHORT else ""
        return self.installation.warehouse.read_for(upstream.table, upstream.level, level, key)
