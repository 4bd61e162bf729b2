"""Contents of the installer ISO of each ESXi release, as far as public material shows them.

Module lists: 6.7 from an HPE ISO's boot.cfg without HPE's own modules, 7.0 from 7.0U3g, 8.0 from 8.0U3b; 6.5 is
inferred from 6.7 (other kernel file), 9.0 from 8.0. Other files: from the listing of the 7.0U3d ISO.
"""

from __future__ import annotations

from dataclasses import dataclass

_MODULES_65 = """
b.b00 jumpstrt.gz useropts.gz features.gz k.b00 chardevs.b00 user.b00 uc_intel.b00 uc_amd.b00 vmx.v00 vim.v00 sb.v00
s.v00 lsi_mr3.v00 bnxtnet.v00 bnxtroce.v00 elx_esx_.v00 brcmfcoe.v00 elxiscsi.v00 elxnet.v00 lpfc.v00 i40en.v00
igbn.v00 ixgben.v00 nmlx5_co.v00 nmlx5_rd.v00 smartpqi.v00 nhpsa.v00 qcnic.v00 qedentv.v00 qedf.v00 qedi.v00
qedrntv.v00 qfle3.v00 qfle3f.v00 qfle3i.v00 qlnative.v00 ata_liba.v00 ata_pata.v00 ata_pata.v01 ata_pata.v02
ata_pata.v03 ata_pata.v04 ata_pata.v05 ata_pata.v06 ata_pata.v07 block_cc.v00 char_ran.v00 ehci_ehc.v00 hid_hid.v00
iavmd.v00 ima_qla4.v00 ipmi_ipm.v00 ipmi_ipm.v01 ipmi_ipm.v02 iser.v00 lpnic.v00 lsi_msgp.v00 lsi_msgp.v01
lsi_msgp.v02 misc_dri.v00 mtip32xx.v00 ne1000.v00 nenic.v00 net_cdc_.v00 net_e100.v00 net_e100.v01 net_enic.v00
net_fcoe.v00 net_forc.v00 net_libf.v00 net_mlx4.v00 net_mlx4.v01 net_nx_n.v00 net_tg3.v00 net_usbn.v00 net_vmxn.v00
nfnic.v00 nmlx4_co.v00 nmlx4_en.v00 nmlx4_rd.v00 ntg3.v00 nvme.v00 nvmxnet3.v00 nvmxnet3.v01 ohci_usb.v00 pvscsi.v00
qflge.v00 sata_ahc.v00 sata_ata.v00 sata_sat.v00 sata_sat.v01 sata_sat.v02 sata_sat.v03 sata_sat.v04 scsi_aac.v00
scsi_adp.v00 scsi_aic.v00 scsi_fni.v00 scsi_ips.v00 scsi_isc.v00 scsi_lib.v00 scsi_meg.v00 scsi_meg.v01 scsi_meg.v02
scsi_mpt.v00 scsi_mpt.v01 scsi_mpt.v02 scsi_qla.v00 sfvmk.v00 shim_isc.v00 shim_isc.v01 shim_lib.v00 shim_lib.v01
shim_lib.v02 shim_lib.v03 shim_lib.v04 shim_lib.v05 shim_vmk.v00 shim_vmk.v01 shim_vmk.v02 uhci_usb.v00 usb_stor.v00
usbcore_.v00 vmkata.v00 vmkfcoe.v00 vmkplexe.v00 vmkusb.v00 vmw_ahci.v00 xhci_xhc.v00 btldr.t00 esx_dvfi.v00
esx_ui.v00 esxupdt.v00 weaselin.t00 lsu_hp_h.v00 lsu_inte.v00 lsu_lsi_.v00 lsu_lsi_.v01 lsu_lsi_.v02 lsu_lsi_.v03
lsu_lsi_.v04 lsu_smar.v00 native_m.v00 vmware_e.v00 vsan.v00 vsanheal.v00 vsanmgmt.v00 tools.t00 xorg.v00 imgdb.tgz
imgpayld.tgz
"""

_MODULES_67 = """
jumpstrt.gz useropts.gz features.gz k.b00 chardevs.b00 user.b00 procfs.b00 uc_intel.b00 uc_amd.b00 uc_hygon.b00
vmx.v00 vim.v00 sb.v00 s.v00 lsi_mr3.v00 bnxtnet.v00 bnxtroce.v00 elx_esx_.v00 brcmfcoe.v00 elxiscsi.v00 elxnet.v00
lpfc.v00 i40en.v00 igbn.v00 ixgben.v00 nmlx5_co.v00 nmlx5_rd.v00 smartpqi.v00 nhpsa.v00 qcnic.v00 qedentv.v00 qedf.v00
qedi.v00 qedrntv.v00 qfle3.v00 qfle3f.v00 qfle3i.v00 qlnative.v00 ata_liba.v00 ata_pata.v00 ata_pata.v01 ata_pata.v02
ata_pata.v03 ata_pata.v04 ata_pata.v05 ata_pata.v06 ata_pata.v07 block_cc.v00 char_ran.v00 ehci_ehc.v00 hid_hid.v00
iavmd.v00 ima_qla4.v00 ipmi_ipm.v00 ipmi_ipm.v01 ipmi_ipm.v02 iser.v00 lpnic.v00 lsi_msgp.v00 lsi_msgp.v01
lsi_msgp.v02 misc_dri.v00 mtip32xx.v00 ne1000.v00 nenic.v00 net_cdc_.v00 net_e100.v00 net_e100.v01 net_enic.v00
net_fcoe.v00 net_forc.v00 net_libf.v00 net_mlx4.v00 net_mlx4.v01 net_nx_n.v00 net_tg3.v00 net_usbn.v00 net_vmxn.v00
nfnic.v00 nmlx4_co.v00 nmlx4_en.v00 nmlx4_rd.v00 ntg3.v00 nvme.v00 nvmxnet3.v00 nvmxnet3.v01 ohci_usb.v00 pvscsi.v00
qflge.v00 sata_ahc.v00 sata_ata.v00 sata_sat.v00 sata_sat.v01 sata_sat.v02 sata_sat.v03 sata_sat.v04 scsi_aac.v00
scsi_adp.v00 scsi_aic.v00 scsi_fni.v00 scsi_ips.v00 scsi_isc.v00 scsi_lib.v00 scsi_meg.v00 scsi_meg.v01 scsi_meg.v02
scsi_mpt.v00 scsi_mpt.v01 scsi_mpt.v02 scsi_qla.v00 sfvmk.v00 shim_isc.v00 shim_isc.v01 shim_lib.v00 shim_lib.v01
shim_lib.v02 shim_lib.v03 shim_lib.v04 shim_lib.v05 shim_vmk.v00 shim_vmk.v01 shim_vmk.v02 uhci_usb.v00 usb_stor.v00
usbcore_.v00 vmkata.v00 vmkfcoe.v00 vmkplexe.v00 vmkusb.v00 vmw_ahci.v00 xhci_xhc.v00 btldr.t00 esx_dvfi.v00
esx_ui.v00 esxupdt.v00 weaselin.t00 lsu_hp_h.v00 lsu_inte.v00 lsu_lsi_.v00 lsu_lsi_.v01 lsu_lsi_.v02 lsu_lsi_.v03
lsu_lsi_.v04 lsu_smar.v00 native_m.v00 vmware_e.v00 vsan.v00 vsanheal.v00 vsanmgmt.v00 tools.t00 xorg.v00 imgdb.tgz
imgpayld.tgz
"""

_MODULES_70 = """
jumpstrt.gz useropts.gz features.gz k.b00 uc_intel.b00 uc_amd.b00 uc_hygon.b00 procfs.b00 vmx.v00 vim.v00 tpm.v00
sb.v00 s.v00 atlantic.v00 bnxtnet.v00 bnxtroce.v00 brcmfcoe.v00 elxiscsi.v00 elxnet.v00 i40en.v00 iavmd.v00 icen.v00
igbn.v00 ionic_en.v00 irdman.v00 iser.v00 ixgben.v00 lpfc.v00 lpnic.v00 lsi_mr3.v00 lsi_msgp.v00 lsi_msgp.v01
lsi_msgp.v02 mtip32xx.v00 ne1000.v00 nenic.v00 nfnic.v00 nhpsa.v00 nmlx4_co.v00 nmlx4_en.v00 nmlx4_rd.v00 nmlx5_co.v00
nmlx5_rd.v00 ntg3.v00 nvme_pci.v00 nvmerdma.v00 nvmetcp.v00 nvmxnet3.v00 nvmxnet3.v01 pvscsi.v00 qcnic.v00 qedentv.v00
qedrntv.v00 qfle3.v00 qfle3f.v00 qfle3i.v00 qflge.v00 rste.v00 sfvmk.v00 smartpqi.v00 vmkata.v00 vmkfcoe.v00
vmkusb.v00 vmw_ahci.v00 bmcal.v00 crx.v00 elx_esx_.v00 btldr.v00 esx_dvfi.v00 esx_ui.v00 esxupdt.v00 tpmesxup.v00
weaselin.v00 esxio_co.v00 loadesx.v00 lsuv2_hp.v00 lsuv2_in.v00 lsuv2_ls.v00 lsuv2_nv.v00 lsuv2_oe.v00 lsuv2_oe.v01
lsuv2_oe.v02 lsuv2_sm.v00 native_m.v00 qlnative.v00 trx.v00 vdfs.v00 vmware_e.v00 vsan.v00 vsanheal.v00 vsanmgmt.v00
tools.t00 xorg.v00 gc.v00 imgdb.tgz basemisc.tgz resvibs.tgz imgpayld.tgz
"""

_MODULES_80 = """
jumpstrt.gz useropts.gz features.gz k.b00 uc_intel.b00 uc_amd.b00 uc_hygon.b00 procfs.b00 vmx.v00 vim.v00 tpm.v00
sb.v00 s.v00 atlantic.v00 bcm_mpi3.v00 bnxtnet.v00 bnxtroce.v00 brcmfcoe.v00 cndi_igc.v00 dwi2c.v00 elxiscsi.v00
elxnet.v00 i40en.v00 iavmd.v00 icen.v00 igbn.v00 intelgpi.v00 ionic_cl.v00 ionic_en.v00 irdman.v00 iser.v00 ixgben.v00
lpfc.v00 lpnic.v00 lsi_mr3.v00 lsi_msgp.v00 lsi_msgp.v01 lsi_msgp.v02 mtip32xx.v00 ne1000.v00 nenic.v00 nfnic.v00
nhpsa.v00 nipmi.v00 nmlx5_cc.v00 nmlx5_co.v00 nmlx5_rd.v00 ntg3.v00 nvme_pci.v00 nvmerdma.v00 nvmetcp.v00 nvmxnet3.v00
nvmxnet3.v01 pvscsi.v00 qcnic.v00 qedentv.v00 qedrntv.v00 qfle3.v00 qfle3f.v00 qfle3i.v00 qflge.v00 rdmahl.v00
rshim_ne.v00 rshim.v00 rste.v00 sfvmk.v00 smartpqi.v00 vmkata.v00 vmksdhci.v00 vmkusb.v00 vmw_ahci.v00 bmcal.v00
clusters.v00 crx.v00 drivervm.v00 elx_esx_.v00 btldr.v00 dvfilter.v00 esx_ui.v00 esxupdt.v00 tpmesxup.v00 weaselin.v00
esxio_co.v00 infravis.v00 loadesx.v00 lsuv2_hp.v00 lsuv2_in.v00 lsuv2_ls.v00 lsuv2_nv.v00 lsuv2_oe.v00 lsuv2_oe.v01
lsuv2_sm.v00 native_m.v00 qlnative.v00 trx.v00 vcls_pod.v00 vdfs.v00 vds_vsip.v00 vmware_e.v00 hbrsrv.v00 vsan.v00
vsanheal.v00 vsanmgmt.v00 tools.t00 xorg.v00 gc.v00 imgdb.tgz basemisc.tgz resvibs.tgz esxiodpt.tgz imgpayld.tgz
"""

# Files of an ISO besides boot files and modules, with their usual sizes in KiB; a stand-in holds less.
OTHER_FILES = (
    (".DISCINFO", 1),
    ("FATBOOTSECTOR", 1),
    ("LDLINUX.SYS", 24),
    ("MBOOT.C32", 89),
    ("MENU.C32", 55),
    ("SAFEBOOT.C32", 67),
    ("VMWARE-ESX-BASE-OSL.TXT", 14),
    ("VMWARE-ESX-BASE-README", 6),
    ("UPGRADE/ESXIMAGE.ZIP", 400),
    ("UPGRADE/EXTLINUX", 68),
    ("UPGRADE/GPTMBR.BIN", 1),
    ("UPGRADE/MBR.BIN", 1),
    ("UPGRADE/METADATA.ZIP", 50),
    ("UPGRADE/PRECHECK.PY", 60),
    ("UPGRADE/PREP.PY", 3),
)

# The large modules of a real ISO, in rough shares of the total; every other module has a share of 1 to 3.
LARGE_MODULES = {
    "tools.t00": 240,
    "vsan.v00": 50,
    "s.v00": 70,
    "vim.v00": 60,
    "weaselin.v00": 20,
    "weaselin.t00": 20,
    "sb.v00": 60,
    "vmx.v00": 50,
    "xorg.v00": 15,
    "esx_ui.v00": 15,
    "crx.v00": 15,
    "drivervm.v00": 20,
    "vcls_pod.v00": 40,
    "vdfs.v00": 15,
    "vsanmgmt.v00": 15,
    "trx.v00": 15,
    "k.b00": 12,
}


@dataclass(frozen=True, slots=True)
class ReleaseProfile:
    """A release: version, build, boot.cfg's ``build=``, kernel and modules, and the image profile's name."""

    version: str
    build: str
    boot_cfg_build: str
    base_version: str
    profile: str
    kernel: str
    modules: tuple[str, ...]
    kernelopt: str = "runweasel cdromBoot"


RELEASES = {
    "6.5": ReleaseProfile(
        version="6.5.0",
        build="13932383",
        boot_cfg_build="",
        base_version="6.5.0-3.96.13932383",
        profile="ESXi-6.5.0-20190702001-standard",
        kernel="tboot.b00",
        modules=tuple(_MODULES_65.split()),
        kernelopt="runweasel",
    ),
    "6.7": ReleaseProfile(
        version="6.7.0",
        build="14320388",
        boot_cfg_build="",
        base_version="6.7.0-3.73.14320388",
        profile="ESXi-6.7.0-20190802001-standard",
        kernel="b.b00",
        modules=tuple(_MODULES_67.split()),
        kernelopt="cdromBoot runweasel",
    ),
    "7.0": ReleaseProfile(
        version="7.0.3",
        build="20328353",
        boot_cfg_build="7.0.3-0.55.20328353",
        base_version="7.0.3-0.55.20328353",
        profile="ESXi-7.0U3g-20328353-standard",
        kernel="b.b00",
        modules=tuple(_MODULES_70.split()),
    ),
    "8.0": ReleaseProfile(
        version="8.0.3",
        build="24280767",
        boot_cfg_build="8.0.3-0.35.24280767",
        base_version="8.0.3-0.35.24280767",
        profile="ESXi-8.0U3b-24280767-standard",
        kernel="b.b00",
        modules=tuple(_MODULES_80.split()),
    ),
    "9.0": ReleaseProfile(
        version="9.0.0",
        build="24755229",
        boot_cfg_build="9.0.0-0.24755229",
        base_version="9.0.0-0.24755229",
        profile="ESXi-9.0.0.0-24755229-standard",
        kernel="b.b00",
        modules=tuple(_MODULES_80.split()),
    ),
}
